"""A batch of 64 random rows of 2000 × (128, 157) float32, from memory, from the page cache and from disk.

webdataset is left out: it reads tar shards sequentially, and has no random access to measure.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ._measure import Result, compare, drop_page_cache, interleave

BATCH = 64


def run(material):
    store = material.store
    rows = store["mel"].to_numpy()
    folder = material.scratch / "batches"
    folder.mkdir(exist_ok=True)
    peers = _write_peers(rows, folder)
    random = np.random.default_rng(0)

    def timed(read):
        import time

        batch = random.permutation(len(rows))[:BATCH]
        start = time.perf_counter()
        got = read(batch)
        seconds = time.perf_counter() - start
        assert np.array_equal(np.asarray(got)[:2], rows[batch[:2]])
        return seconds

    def warm(open_reader):
        read = open_reader()
        for start in range(0, len(rows), BATCH):  # maps every page
            read(np.arange(start, min(start + BATCH, len(rows)))[:BATCH])
        return lambda: timed(read)

    out = np.empty((BATCH, *rows.shape[1:]), rows.dtype)

    def in_memory():
        return lambda batch: np.take(rows, batch, axis=0, out=out[: len(batch)], mode="clip")

    def ours():
        from esc_features import open_store

        array = open_store(store.path)["mel"]
        return lambda batch: array.take(batch, out=out[: len(batch)])

    def ours_without_out():
        from esc_features import open_store

        return open_store(store.path)["mel"].take

    contestants = {
        "np.take in RAM (reference)": in_memory,
        "esc_features, take(rows, out)": ours,
        "esc_features, take(rows)": ours_without_out,
        **peers,
    }
    rounds = 15 if material.quick else 60
    times = interleave({name: warm(reader) for name, reader in contestants.items()}, rounds)
    results = compare("batch of 64 rows, warm", times, "np.take in RAM (reference)", 1e3, "ms")
    return results + _cold(material, {"esc_features": ours_without_out, **peers, **_disk_limits(store)}, timed, folder)


def _cold(material, readers, timed, folder):
    slow = {"zarr 3, default codec", "h5py gzip"} if material.quick else set()
    how = ""

    def contestant(open_reader):
        def measure():
            nonlocal how
            how = drop_page_cache(folder, material.store.path)
            read = open_reader()  # not counted; after the cache was dropped, because mapped pages stay cached
            return timed(read)

        return measure

    readers = {name: contestant(reader) for name, reader in readers.items() if name not in slow}
    times = interleave(readers, 5 if material.quick else 11, warm_up=False)
    limits = [name for name in times if name.startswith("limit")]
    times["limit: the better of both"] = [min(pair) for pair in zip(*(times[name] for name in limits), strict=True)]
    results = compare("batch of 64 rows, page cache dropped", times, "limit: the better of both", 1e3, "ms")
    return [Result(*(list(vars(result).values())[:5]), how) for result in results]


def _disk_limits(store):
    """The limits: many threads that read, or hints to the kernel before a memory map is read."""
    import h5py

    paths, offsets, counts = sorted((store.path / "mel").glob("fold*.h5")), [], []
    for path in paths:
        with h5py.File(path, "r") as file:
            offsets.append(file["data"].id.get_offset())
            counts.append(len(file["data"]))
    shape, dtype = store["mel"].shape[1:], store["mel"].dtype
    size = int(np.prod(shape)) * dtype.itemsize
    starts = np.cumsum([0, *counts])

    def places(batch):
        numbers = np.searchsorted(starts, batch, side="right") - 1
        return [(number, offsets[number] + int(row - starts[number]) * size)
                for number, row in zip(numbers.tolist(), batch.tolist(), strict=True)]  # fmt: skip

    def threaded_preadv():
        descriptors = [os.open(path, os.O_RDONLY) for path in paths]
        pool = ThreadPoolExecutor(16)
        list(pool.map(abs, range(64)))

        def read(batch):
            rows = np.empty((len(batch), *shape), dtype)
            tasks = zip(rows, places(batch), strict=True)
            list(pool.map(lambda task: os.preadv(descriptors[task[1][0]], [task[0]], task[1][1]), tasks))
            return rows

        return read

    def hinted_map():
        descriptors = [os.open(path, os.O_RDONLY) for path in paths]
        maps = [np.memmap(path, np.uint8, "r") for path in paths]

        def read(batch):
            rows = np.empty((len(batch), *shape), dtype)
            for number, offset in places(batch):
                os.posix_fadvise(descriptors[number], offset, size, os.POSIX_FADV_WILLNEED)
            for row, (number, offset) in zip(rows, places(batch), strict=True):
                row.reshape(-1).view(np.uint8)[:] = maps[number][offset : offset + size]
            return rows

        return read

    if not (hasattr(os, "preadv") and hasattr(os, "posix_fadvise")):
        return {}
    return {"limit: preadv in 16 threads": threaded_preadv, "limit: hinted memory map": hinted_map}


def _write_peers(rows: np.ndarray, folder: Path):
    """Write the rows in every peer's format; return name -> function that opens a reader of batches."""
    import h5py

    np.save(folder / "rows.npy", rows)
    clips = folder / "clips"
    clips.mkdir(exist_ok=True)
    for number, row in enumerate(rows):
        np.save(clips / f"{number}.npy", row)
    with h5py.File(folder / "peers.h5", "w") as file:
        file.create_dataset("contiguous", data=rows)
        file.create_dataset("chunked", data=rows, chunks=(1, *rows.shape[1:]))
        file.create_dataset("gzip", data=rows, chunks=(1, *rows.shape[1:]), compression="gzip")

    def memmap():
        array = np.load(folder / "rows.npy", mmap_mode="r")
        return lambda batch: np.take(array, batch, axis=0)

    def h5(name):
        def open_reader():
            data = h5py.File(folder / "peers.h5", "r")[name]

            def read(batch):
                got = np.empty((len(batch), *data.shape[1:]), data.dtype)
                for place, row in enumerate(batch.tolist()):
                    data.read_direct(got, np.s_[row], np.s_[place])
                return got

            return read

        return open_reader

    def files():
        return lambda batch: np.stack([np.load(clips / f"{number}.npy") for number in batch.tolist()])

    peers = {
        "np.load(mmap_mode='r')": memmap,
        "h5py contiguous": h5("contiguous"),
        "h5py, one row per chunk": h5("chunked"),
        "h5py gzip": h5("gzip"),
        "one .npy per clip": files,
    }
    for add in (_zarr, _datasets, _lhotse):
        try:
            peers.update(add(rows, folder))
        except ImportError as error:
            print(f"left out: {error}")
    return peers


def _zarr(rows, folder):
    import zarr

    shape = (1, *rows.shape[1:])
    for name, more in (("default", {}), ("raw", {"compressors": None})):
        array = zarr.create_array(folder / f"{name}.zarr", shape=rows.shape, chunks=shape, dtype=rows.dtype, **more)
        array[:] = rows

    def open_reader(name):
        def opened():
            array = zarr.open_array(folder / f"{name}.zarr", mode="r")
            return lambda batch: array.get_orthogonal_selection((batch,))

        return opened

    return {"zarr 3, default codec": open_reader("default"), "zarr 3, not compressed": open_reader("raw")}


def _datasets(rows, folder):
    import datasets

    datasets.disable_progress_bars()
    features = datasets.Features({"mel": datasets.Array2D(rows.shape[1:], "float32")})

    def make():
        for row in rows:
            yield {"mel": row}

    made = datasets.Dataset.from_generator(make, features=features, cache_dir=str(folder / "hf_cache"))
    made.save_to_disk(str(folder / "hf"))

    def opened():
        loaded = datasets.load_from_disk(str(folder / "hf")).with_format("numpy")
        return lambda batch: loaded[batch.tolist()]["mel"]

    return {"HF datasets, numpy format": opened}


def _lhotse(rows, folder):
    from lhotse import NumpyFilesReader, NumpyFilesWriter

    path = folder / "lhotse"
    with NumpyFilesWriter(str(path)) as writer:
        keys = [writer.write(str(number), row) for number, row in enumerate(rows)]

    def opened():
        reader = NumpyFilesReader(str(path))
        return lambda batch: np.stack([reader.read(keys[number]) for number in batch.tolist()])

    return {"lhotse numpy_files": opened}
