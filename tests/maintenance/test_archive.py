"""Archives: what comes out is what went in, and nothing else is taken."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.codecs import PickleCodec, dumps
from fleche_like.codecs.layout import checksum
from fleche_like.errors import ArchiveError, ReadOnlyError, UntrustedArchive
from fleche_like.hashing import digest
from fleche_like.maintenance import export, import_
from fleche_like.maintenance.archives import reading, writing
from fleche_like.maintenance.archives.frames import ArchiveFile
from fleche_like.storage.records import MAGIC as RECORD
from fleche_like.storage.records import seal_record
from tests.maintenance.caches import KINDS, call, fill, held, open_kind

MAGIC = b"\x93FLA\r\n\x1a\x01"


@pytest.fixture
def source(tmp_path):
    with open_kind("embedded", tmp_path / "source") as cache:
        fill(cache, range(12))
        yield cache


@pytest.fixture
def archive(tmp_path, source):
    export(source, tmp_path / "calls.fla")
    return tmp_path / "calls.fla"


@pytest.fixture
def empty(tmp_path):
    with open_kind("embedded", tmp_path / "empty") as cache:
        yield cache


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_out_is_what_went_in(kind, source, archive, tmp_path):
    with open_kind(kind, tmp_path / "other") as other:
        done = import_(other, archive)
        assert (done.calls, done.present, done.kept) == (12, 0, 0)
        assert held(other) == held(source)
        assert len(held(other)) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_any_cache_is_exported(kind, tmp_path, empty):
    with open_kind(kind, tmp_path / "other") as other:
        fill(other, range(5))
        assert export(other, tmp_path / "other.fla").calls == 5
        import_(empty, tmp_path / "other.fla")
        assert held(empty) == held(other)


def test_a_memoized_function_hits_after_an_import(tmp_path, source, empty):
    runs = []

    def work(data):
        runs.append(1)
        return {"twice": data * 2}

    fl.memoize(cache=source)(work)(np.arange(50_000))
    export(source, tmp_path / "a.fla")
    import_(empty, tmp_path / "a.fla")
    found = fl.memoize(cache=empty)(work)(np.arange(50_000))
    assert found["twice"][-1] == 99_998
    assert runs == [1]
    (key,) = [each.key for each in empty.query() if "locals" in each.name]
    assert empty.manifest(empty.load(key).code) == source.manifest(source.load(key).code) != {}


def test_equal_selections_give_equal_bytes(source, archive, tmp_path):
    export(source, tmp_path / "again.fla")
    assert (tmp_path / "again.fla").read_bytes() == archive.read_bytes()
    order = source.query().order_by("-number")
    export(source, tmp_path / "ordered.fla", order)
    assert (tmp_path / "ordered.fla").read_bytes() == archive.read_bytes()


def test_a_selection_alone_is_exported(source, tmp_path, empty):
    done = export(source, tmp_path / "a.fla", source.query().where(fl.arg("number") > 8))
    assert done.calls == 3
    import_(empty, tmp_path / "a.fla")
    assert {each.arguments["number"] for each in empty.query()} == {9, 10, 11}


def test_batches_make_no_difference(source, archive, tmp_path, monkeypatch, empty):
    monkeypatch.setattr(reading, "BATCH", 2)
    monkeypatch.setattr(reading, "FLUSH_BYTES", 1000)
    import_(empty, archive)
    assert held(empty) == held(source)


def test_an_import_is_repeated_without_harm(source, archive, empty):
    import_(empty, archive)
    before = held(empty)
    done = import_(empty, archive)
    assert (done.calls, done.present) == (0, 12)
    assert held(empty) == before


def test_another_result_is_kept_unless_overwritten(archive, empty):
    key = empty.save(call(5, result="mine"))
    assert import_(empty, archive).kept == 1
    assert empty.lookup(key) == "mine"
    assert import_(empty, archive, overwrite=True).replaced == 1
    assert empty.lookup(key) == {"number": 5}


def test_dry_runs_write_nothing(source, archive, tmp_path, empty):
    done = export(source, tmp_path / "none.fla", dry_run=True)
    assert done.calls == 12
    assert done.size_bytes == archive.stat().st_size
    assert not (tmp_path / "none.fla").exists()
    assert import_(empty, archive, dry_run=True).calls == 12
    assert held(empty) == {}
    assert list(empty.values.list()) == []


def test_a_call_without_its_result_is_left_out(source, tmp_path, empty):
    source.values.evict(source.calls.load(call(3).key).result)
    done = export(source, tmp_path / "a.fla")
    assert (done.calls, done.incomplete) == (11, 1)
    assert import_(empty, tmp_path / "a.fla").calls == 11


def test_values_in_parts_come_with_their_parts(tmp_path, source, empty):
    shared = np.arange(200_000.0)
    source.save(fl.Call("f", {"n": 1}, result={"data": shared, "n": 1}))
    source.save(fl.Call("f", {"n": 2}, result={"data": shared, "n": 2}))
    export(source, tmp_path / "a.fla", source.query(name="f"))
    assert import_(empty, tmp_path / "a.fla").calls == 2
    results = [each.result for each in empty.query().order_by("n")]
    assert [each["n"] for each in results] == [1, 2]
    assert all(np.array_equal(each["data"], shared) for each in results)


def test_a_read_only_cache_is_refused(archive, empty, tmp_path):
    locked = fl.open_cache(tmp_path / "empty" / "embedded", read_only=True)
    with locked, pytest.raises(ReadOnlyError):
        import_(locked, archive)


def test_the_file_is_for_its_owner_alone_and_replaced_whole(source, archive, monkeypatch):
    assert archive.stat().st_mode & 0o777 == 0o600
    before = archive.read_bytes()

    def fail(self):
        raise OSError("the disk is full")

    monkeypatch.setattr(writing._Writer, "end", fail)
    with pytest.raises(OSError, match="full"):
        export(source, archive)
    assert archive.read_bytes() == before
    assert sorted(path.name for path in archive.parent.glob("*fla*")) == ["calls.fla"]


# --- damage and malice --------------------------------------------------------------------------


def refused(cache, file, match=None):
    with pytest.raises(ArchiveError, match=match):
        import_(cache, file)
    assert held(cache) == {}
    assert list(cache.values.list()) == []


def test_an_archive_cut_anywhere_is_refused(archive, empty, tmp_path):
    data = archive.read_bytes()
    chance = random.Random(3)
    cuts = [0, 4, 8, 9, 17, len(data) - 1, *(chance.randrange(len(data)) for _ in range(25))]
    for cut in cuts:
        (tmp_path / "cut.fla").write_bytes(data[:cut])
        refused(empty, tmp_path / "cut.fla")


def test_any_changed_byte_is_noticed(archive, empty, tmp_path):
    data = archive.read_bytes()
    chance = random.Random(4)
    for place in [*range(40), *(chance.randrange(len(data)) for _ in range(40))]:
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        (tmp_path / "changed.fla").write_bytes(changed)
        refused(empty, tmp_path / "changed.fla")


def test_frames_in_another_order_are_noticed(archive, empty, tmp_path):
    frames = parsed(archive.read_bytes())
    (tmp_path / "a.fla").write_bytes(MAGIC + b"".join(map(packed, [frames[1], frames[0]])))
    refused(empty, tmp_path / "a.fla", "cut short")
    (tmp_path / "a.fla").write_bytes(archive.read_bytes() + packed(frames[0]))
    refused(empty, tmp_path / "a.fla", "after its end")


def test_other_files_are_no_archives(empty, tmp_path):
    for content in (b"", b"PK\3\4 something else", b"SQLite format 3\0"):
        (tmp_path / "other").write_bytes(content)
        refused(empty, tmp_path / "other", "no archive")
    (tmp_path / "other").write_bytes(MAGIC[:-1] + b"\2" + b"rest")
    refused(empty, tmp_path / "other", "later release")


def parsed(data):
    """Return the frames of an archive, by the format's description alone."""
    frames, position = [], 8
    while position < len(data):
        kind, size = struct.unpack_from("<cQ", data, position)
        frames.append((kind, data[position + 9 : position + 9 + size]))
        position += 9 + size
    return frames


def packed(frame):
    kind, content = frame
    return struct.pack("<cQ", kind, len(content)) + content


def forged(path, *frames, **end):
    """Write what a stranger would: sound as a whole, whatever the frames say."""
    body = MAGIC + b"".join(map(packed, frames))
    counts = {
        name: sum(kind == letter for kind, _ in frames)
        for name, letter in (("calls", b"C"), ("values", b"V"), ("manifests", b"M"))
    }
    last = {**counts, "functions": [], "sha256": hashlib.sha256(body).hexdigest()}
    content = json.dumps({**last, "signature": None, **end}).encode()
    path.write_bytes(body + packed((b"E", content)))
    return path


def value_frame(value, key=None):
    key = key or digest(value)
    sealed = b"".join(bytes(part) for part in dumps(value, key, PickleCodec()))
    return b"V", bytes.fromhex(key) + sealed


def call_frame(made, key=None):
    key = key or made.key
    payload = seal_record(made) if key == made.key else resealed(made, key)
    return b"C", bytes.fromhex(key) + payload


def resealed(made, key):
    payload = seal_record(made)[18:]
    return RECORD + checksum(key, payload) + payload


def test_the_forger_can_forge(empty, tmp_path):
    made = call(1).digested()
    frames = value_frame({"number": 1}), call_frame(made)
    assert import_(empty, forged(tmp_path / "a.fla", *frames)).calls == 1


def test_a_record_under_another_key_is_refused(empty, tmp_path):
    made = call(1).digested()
    frames = value_frame({"number": 1}), call_frame(made, key=call(2).digested().key)
    refused(empty, forged(tmp_path / "a.fla", *frames), "is that of call")


def test_an_envelope_under_another_digest_is_refused(empty, tmp_path):
    wrong = (b"V", bytes.fromhex(digest("other")) + value_frame("value")[1][16:])
    refused(empty, forged(tmp_path / "a.fla", wrong))


def test_a_call_whose_result_is_not_there_is_refused(empty, tmp_path):
    made = call(1).digested()
    refused(empty, forged(tmp_path / "a.fla", call_frame(made)), "result of call")
    late = call_frame(made), value_frame({"number": 1})
    refused(empty, forged(tmp_path / "a.fla", *late), "result of call")


@pytest.mark.parametrize(
    "frame",
    [
        (b"M", bytes(16) + b"[1]"),
        (b"M", bytes(16) + b'[["part", "../../etc/passwd"]]'),
        (b"M", bytes(16) + b"[" * 100_000),
        (b"M", bytes(16) + b"nonsense"),
        (b"C", bytes(16) + b"\x93R" + bytes(30)),
        (b"C", b"short"),
        (b"V", bytes(16)),
        (b"X", bytes(16)),
        (b"../", b"x"),
    ],
)
def test_malformed_frames_are_refused(frame, empty, tmp_path):
    kind, content = frame
    refused(empty, forged(tmp_path / "a.fla", (kind[:1], content)))


@pytest.mark.parametrize("end", [{"calls": 5}, {"sha256": "00"}, {"sha256": None}, {"values": "0"}])
def test_an_end_that_lies_is_refused(end, empty, tmp_path):
    refused(empty, forged(tmp_path / "a.fla", **end))


def test_a_length_beyond_the_file_asks_for_no_memory(empty, tmp_path):
    (tmp_path / "a.fla").write_bytes(MAGIC + struct.pack("<cQ", b"V", 2**62) + bytes(100))
    refused(empty, tmp_path / "a.fla", "reaches beyond")


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["BOMB"],))


def test_nothing_is_unpickled_while_importing_or_exporting(tmp_path, monkeypatch, empty):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    key = digest("stands for the bomb")
    body = pickle.dumps(Bomb())

    class Raw(PickleCodec):
        def encode(self, value):
            return super().encode(value)._replace(payload=body)

    sealed = b"".join(bytes(part) for part in dumps(None, key, Raw()))
    made = fl.Call("f", {"x": 1}, result=[1]).digested()
    made = type(made)("f", made.arguments, result=key, scalars=made.scalars)
    frames = (b"V", bytes.fromhex(key) + sealed), call_frame(made)
    assert import_(empty, forged(tmp_path / "a.fla", *frames)).calls == 1
    export(empty, tmp_path / "b.fla")
    assert not (tmp_path / "exploded").exists()
    empty.lookup(made.key)
    assert (tmp_path / "exploded").exists()


# --- trust --------------------------------------------------------------------------------------


class Signer:
    """Stands for the keys of a cache."""

    def __init__(self, secret):
        self.secret = secret

    def sign(self, kind, key, content):
        pieces = [self.secret, kind, key.encode(), *map(bytes, content)]
        return hashlib.sha256(b"\0".join(pieces)).digest()

    def verify(self, signature, kind, key, content):
        if self.sign(kind, key, content) != bytes(signature):
            raise fl.DamagedEnvelope("not signed by us")


def test_a_cache_with_keys_takes_what_they_signed_alone(source, tmp_path, monkeypatch):
    unsigned = tmp_path / "unsigned.fla"
    export(source, unsigned)
    for name, secret in (("ours", b"ours"), ("theirs", b"theirs")):
        monkeypatch.setattr(writing, "signing", lambda _, secret=secret: Signer(secret))
        export(source, tmp_path / f"{name}.fla")
    end = json.loads(parsed((tmp_path / "ours.fla").read_bytes())[-1][1])
    assert end["signature"]
    archives = ArchiveFile
    for name, taken in (("ours", True), ("theirs", False), ("unsigned", False)):
        archive = archives(tmp_path / f"{name}.fla")
        checked = archive.check(lambda _: None)
        if taken:
            reading._require_signature(archive, checked, Signer(b"ours"))
        else:
            with pytest.raises(UntrustedArchive):
                reading._require_signature(archive, checked, Signer(b"ours"))
        archive.close()


# --- interruption and memory --------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_import_goes_on(after, archive, source, tmp_path):
    process = os.fork()
    if not process:
        try:
            _killed_after(after, archive, tmp_path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    with open_kind("embedded", tmp_path / "target") as target:
        partly = held(target)
        assert 0 < len(partly) < 12
        assert partly.items() <= held(source).items()
        done = import_(target, archive)
        assert (done.present, done.calls) == (len(partly), 12 - len(partly))
        assert held(target) == held(source)


def _killed_after(batches, archive, folder):
    signal.alarm(100)
    vars(reading)["BATCH"] = 2
    with open_kind("embedded", folder / "target") as target:
        save, saved = target.calls.save_many, list[int]()

        def save_many(*args):
            if len(saved) == batches:
                os.kill(os.getpid(), signal.SIGKILL)
            saved.append(1)
            save(*args)

        target.calls.save_many = save_many
        import_(target, archive)


MEMORY = """
import resource, sys
import fleche_like as fl
from fleche_like.maintenance import export, import_
source, target, archive = sys.argv[1:]
with fl.open_cache(source) as cache:
    export(cache, archive)
with fl.open_cache(target) as cache:
    import_(cache, archive)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_stays_flat_with_large_values(tmp_path):
    def peak(count):
        name = str(count)
        with fl.open_cache(tmp_path / name) as cache:
            for number in range(count):
                cache.save(fl.Call("f", {"n": number}, result=os.urandom(3_000_000)))
        command = [sys.executable, "-c", MEMORY]
        paths = [tmp_path / name, tmp_path / f"{name}-in", tmp_path / f"{name}.fla"]
        done = subprocess.run([*command, *paths], capture_output=True, check=True, text=True)
        return int(done.stdout)

    assert peak(30) - peak(6) < 35_000_000  # 72 MB more are moved
