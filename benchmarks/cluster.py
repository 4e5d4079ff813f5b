"""Two Dask worker processes on this machine, compared with loky: with a shared disk, and with rows sent to the parent.

What a Dask cluster adds per clip is the difference from loky. The bytes that leave the workers are counted by their
connections. The parent's memory is the growth of its private memory after 2000 and after 20,000 short clips whose rows
are all sent, and after 20,000 with twenty times the bytes: it should grow with the clips, and not with the bytes.
Workers are started before the time is measured.
"""

import shutil
import statistics

from ._measure import Result, child

_BEGIN = """
import json, sys, time
import joblib, pandas as pd
from benchmarks._measure import private_megabytes
from esc_features import Waveform, extract, open_store
from esc_features.extraction import _cluster
def main():
    table = pd.read_csv(sys.argv[1], dtype={"src_file": str, "take": str}).head(int(sys.argv[3]))
    few = table.head(8)
    def run(clips, out, features):
        start = time.perf_counter()
        extract(clips, out, features=features, n_jobs=2, verbose=False)
        return time.perf_counter() - start
"""
_COUNT = """
def count_what_is_sent():
    from distributed.comm.tcp import TCP
    write, TCP.sent = TCP.write, 0
    async def counted(self, *arguments, **options):
        size = await write(self, *arguments, **options)
        TCP.sent += size
        return size
    TCP.write = counted
def what_was_sent():
    from distributed.comm.tcp import TCP
    return TCP.sent
"""
_LOKY = (
    _BEGIN
    + """
    with joblib.parallel_config("loky"):
        run(few, sys.argv[2] + "/warm", "waveform,mel")
        print(json.dumps({"work": run(table, sys.argv[2] + "/store", "waveform,mel")}))
if __name__ == "__main__":
    main()
"""
)
_DASK = (
    _BEGIN.replace("def main", _COUNT + "def main")
    + """
    from distributed import Client, LocalCluster
    if RETURNED:
        _cluster.this_host = lambda: "another host"
    features = FEATURES
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        with joblib.parallel_config("dask", client=client):
            run(few, sys.argv[2] + "/warm", features)
            client.run(count_what_is_sent)
            before = private_megabytes()
            work = run(table, sys.argv[2] + "/store", features)
            grown = private_megabytes() - before
            sent = sum(client.run(what_was_sent).values())
    store = open_store(sys.argv[2] + "/store")
    rows = sum(store[name].nbytes for name in store)
    print(json.dumps({"work": work, "grown": grown, "sent": sent, "rows": rows}))
if __name__ == "__main__":
    main()
"""
)


def run(material):
    few = 80 if material.quick else 400
    rounds = 2 if material.quick else 5
    scripts = {
        "loky": _LOKY,
        "Dask, disk shared": _DASK.replace("RETURNED", "False").replace("FEATURES", '"waveform,mel"'),
        "Dask, rows travel": _DASK.replace("RETURNED", "True").replace("FEATURES", '"waveform,mel"'),
    }
    times: dict[str, list[float]] = {name: [] for name in scripts}
    names, answers = list(scripts), {}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            answers[name] = _answer(material, scripts[name], material.many_table, few)
            times[name].append(answers[name]["work"])
    results = []
    for name, values in times.items():
        ratio = statistics.median(one / other for one, other in zip(values, times["loky"], strict=True))
        added = statistics.median(one - other for one, other in zip(values, times["loky"], strict=True)) / few
        note = f"{added * 1e3:+.2f} ms per clip compared with loky" if name != "loky" else ""
        value = statistics.median(values)
        results.append(Result(f"extraction, {few} clips, two workers", name, value, "s", ratio, note))
    for name in names[1:]:
        sent, rows = answers[name]["sent"], answers[name]["rows"]
        note = f"{sent / few / 1e3:,.1f} kB per clip; reference: the rows, {rows / 1e6:,.1f} MB"
        results.append(Result("what the workers send", name, sent / 1e6, "MB", sent / rows, note))
    return results + _growth(material)


def _growth(material):
    table = material.scratch / "short.csv"
    _write_short_clips(material, table, 2000 if material.quick else 20_000)
    few, many = (400, 2000) if material.quick else (2000, 20_000)
    results = []
    for count, seconds in ((few, 0.01), (many, 0.01), (many, 0.2)):
        feature = f'{{"waveform": Waveform(16000, {seconds})}}'
        answer = _answer(material, _DASK.replace("RETURNED", "True").replace("FEATURES", feature), table, count)
        note = f"{answer['work'] / count * 1e3:.2f} ms per clip, including the workers' part"
        title = f"{count} clips, {answer['rows'] / 1e6:.0f} MB of rows"
        results.append(Result("growth of the parent, rows travel", title, answer["grown"], "MB", None, note))
    return results


def _answer(material, script, table, count):
    out = material.scratch / "cluster"
    out.mkdir()
    (out / "script.py").write_text(script)
    try:
        return child(
            f"import runpy; runpy.run_path({str(out / 'script.py')!r}, run_name='__main__')", table, out, count
        )
    finally:
        shutil.rmtree(out)


def _write_short_clips(material, table, count):
    import pandas as pd
    import soundfile

    short = material.scratch / "short_clip.wav"
    samples, rate = soundfile.read(material.clips["path"].iloc[0], frames=2000)
    soundfile.write(short, samples, rate)
    clips = pd.DataFrame({"filename": [f"{number}.wav" for number in range(count)]})
    clips["fold"], clips["target"], clips["category"] = clips.index % 5 + 1, 0, "x"
    clips["src_file"], clips["take"], clips["path"] = clips["filename"], "A", str(short)
    clips.to_csv(table, index=False)
