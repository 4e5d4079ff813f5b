"""The data of the benchmarks: real clips in the layout of ESC-50, and stores of them."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd


class Material:
    """Clips and stores, made on first use in a scratch folder."""

    def __init__(self, audio: Path | None, scratch: Path, quick: bool):
        self.audio, self.scratch, self.quick = audio, scratch, quick

    @cached_property
    def clips(self) -> pd.DataFrame:
        """400 clips: the real ESC-10 if it is given, or else the synthesised demo."""
        from esc_features import load_clips, make_demo

        if self.audio is not None:
            clips = load_clips(self.audio, esc10=True)
        else:
            clips = make_demo(self.scratch / "demo", n_categories=5, clips_per_category=80)
        clips.attrs["name"] = "benchmark"
        return clips

    @cached_property
    def many_clips(self) -> pd.DataFrame:
        """2000 clips (400 with --quick): the 400 clips five times, each time in files of their own."""
        clips = self.clips
        if self.quick:
            return clips
        folder = self.scratch / "audio"
        folder.mkdir(exist_ok=True)
        tables = []
        for copy in range(-(-2000 // len(clips))):
            table = clips.copy()
            table["filename"] = [f"{copy}-{name.replace('/', '-')}" for name in clips["filename"]]
            table["path"] = [str(folder / name) for name in table["filename"]]
            for source, target in zip(clips["path"], table["path"], strict=True):
                Path(target).write_bytes(Path(source).read_bytes())
            tables.append(table)
        many = pd.concat(tables, ignore_index=True).iloc[:2000]
        many.attrs["name"] = "benchmark"
        return many

    @cached_property
    def table(self) -> Path:
        """The 400 clips as a CSV file, for separate processes."""
        path = self.scratch / "clips.csv"
        self.clips.to_csv(path, index=False)
        return path

    @cached_property
    def many_table(self) -> Path:
        path = self.scratch / "many_clips.csv"
        self.many_clips.to_csv(path, index=False)
        return path

    @cached_property
    def store(self):
        """Waveforms and mel spectrograms of all clips."""
        from esc_features import extract

        return extract(self.many_clips, self.scratch / "store", n_jobs=2, verbose=False)

    @cached_property
    def small_store(self):
        from esc_features import extract

        return extract(self.clips, self.scratch / "small_store", n_jobs=2, verbose=False)


def synthetic_store(folder: Path, clips: int, shape=(128, 157), folds: int = 5) -> Path:
    """Write a store of zeros, which takes almost no space on disk, with the package's own file format."""
    from esc_features.storage import FeatureFacts, create_file, read_header, row_crc32, write_clip_table

    per_fold, tables, created = clips // folds, [], "2017-07-14T02:40:00Z"
    description = {"class": "synthetic", "version": 1, "parameters": {"sample_rate": 16000}, "computed_from": None}
    for fold in range(1, folds + 1):
        names = [f"{fold}-{number}-A-{number % 10}.wav" for number in range(per_fold)]
        table = pd.DataFrame({"filename": names, "fold": fold, "target": np.arange(per_fold) % 10})
        table["category"] = "class " + table["target"].astype(str)
        table["src_file"], table["take"], table["path"] = table["filename"], "A", "/nowhere/" + table["filename"]
        tables.append(table)
        path = folder / "mel" / f"fold{fold}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = FeatureFacts("mel", fold, description, "synthetic", {"numpy": np.__version__}, created)
        create_file(path, shape, "<f4", table, facts)
        header = read_header(path)
        end = header.data.offset_of(per_fold)
        with path.open("r+b") as file:
            file.seek(end)
            rest = file.read()
            file.truncate(header.data.offset)  # gives back the reserved space of the rows
            file.seek(end)
            file.write(rest)
            for name, value in (("crc32", row_crc32(np.zeros(shape, np.float32))), ("done", 1)):
                column = header.columns[name]
                file.seek(column.offset)
                file.write(np.full(per_fold, value, column.dtype).tobytes())
    write_clip_table(folder, pd.concat(tables, ignore_index=True), "synthetic", created)
    return folder


def size_on_disk(folder: Path) -> float:
    """Return the megabytes that the files of a folder take on disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6
