"""Set up the course and open it, with nothing but Python and pip on the machine.

    python start.py          set up if needed, fetch the model, check, open JupyterLab
    python start.py setup    set up only
    python start.py COMMAND  set up if needed, then run `python -m llmops_utils COMMAND`

The environment lives in `.venv` beside this file. Packages come in the versions and with the checksums of
`requirements.txt`. uv installs them, several times faster than pip; it is itself fetched with pip into `.tools`.

A set-up may be interrupted at any point: its stamp is taken away before the first change and written after the last
one, and an environment without a stamp is made anew from what was downloaded.
"""

import ast
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = ENVIRONMENT / "installed.txt"
IS_WINDOWS = os.name == "nt"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if IS_WINDOWS else "bin/python")
NOT_COMPILED = r"[/\\](tests?|kubernetes)[/\\]"  # a third of all code, and no chapter imports it
AGAIN = "run this again; what was downloaded is kept. On a slow line this takes some minutes."

# What of pip's configuration says how to reach packages. All else (a target folder, constraints, "only in a virtual
# environment") is meant for the user's own installations and would break this one.
REACHING = (
    *("index-url", "extra-index-url", "find-links", "no-index"),
    *("trusted-host", "cert", "client-cert", "proxy"),
)
REACHING_OF_UV = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST"),
    *("UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
)


def stop(problem, step):
    """End with a message that says what to do."""
    sys.exit(f"\n{problem}\nWhat to do: {step}")


def run(command, environment, problem, step):
    """Run a command and stop with a message where it fails."""
    try:
        # The lock of `take_turn` stays with the command, also where this script is killed before it ends.
        subprocess.run([str(part) for part in command], check=True, cwd=ROOT, env=environment, close_fds=False)
    except (OSError, subprocess.CalledProcessError):
        stop(problem, step)


def read_hashed(package):
    """Return the lines of requirements.txt that pin one package with its checksums."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"{package}==")]
    if not starts:
        stop(f"requirements.txt pins no {package}.", "restore the file: git checkout requirements.txt")
    start = starts[0]
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def read_reaching():
    """Return how pip reaches packages by its configuration files and variables: {"index-url": "…", …}."""
    listing = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        told = subprocess.run(listing, cwd=ROOT, env=plain, capture_output=True, check=False).stdout
    except OSError:
        return {}
    found = {}
    for section in ("global.", "install.", ":env:."):  # as pip does, the later one wins
        for line in told.decode("utf-8", "replace").splitlines():
            name, separator, value = line.partition("=")
            if name.startswith(section) and separator and name[len(section) :] in REACHING:
                try:
                    found[name[len(section) :]] = ast.literal_eval(value)
                except (SyntaxError, ValueError):
                    continue
    for name in ("extra-index-url", "find-links"):  # pip only warns of folders that are not there; uv would stop
        places = [place for place in found.get(name, "").split() if is_there(place)]
        found[name] = " ".join(places)
    return {name: value for name, value in found.items() if value}


def is_there(place):
    """Return whether a place is an address, or a folder of this machine that exists."""
    path = place[len("file://") :] if place.startswith("file://") else place
    return ("://" in path) or os.path.exists(path)


def build_environments():
    """Return the variables for pip and those for uv: of the user's configuration only how packages are reached."""
    foreign = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    reaching = read_reaching()
    for_pip = dict(plain, PIP_CONFIG_FILE=os.devnull)
    for name, value in reaching.items():
        for_pip["PIP_" + name.upper().replace("-", "_")] = value
    for_uv = dict(plain, UV_NO_CONFIG="1", UV_INDEX_STRATEGY="unsafe-best-match")  # as pip; checksums decide
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST"}
    names.update({"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"})
    for_uv.update({names[name]: value for name, value in reaching.items() if name in names})
    if "find-links" in reaching:
        for_uv["UV_FIND_LINKS"] = ",".join(reaching["find-links"].split())
    if reaching.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        for_uv["UV_NO_INDEX"] = "1"
    for_uv.update({name: os.environ[name] for name in REACHING_OF_UV if os.environ.get(name)})
    return for_pip, for_uv


def take_turn():
    """Wait until no other set-up works in this folder; return the descriptor that keeps others out until it is closed.

    Commands that are started meanwhile hold it too. So where this script is killed, the next one waits for them.
    """
    TOOLS.mkdir(exist_ok=True)
    descriptor = os.open(TOOLS / "lock", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(descriptor, True)
    is_told = False
    while True:
        try:
            if IS_WINDOWS:
                import msvcrt

                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            if not is_told:
                print("Another set-up is at work in this folder; waiting for it ...", flush=True)
                is_told = True
            time.sleep(0.2)


def find_uv(environment):
    """Return the path of uv, fetched into .tools at the first call."""
    places = [TOOLS / "bin" / "uv", TOOLS / "bin" / "uv.exe", TOOLS / "Scripts" / "uv.exe"]
    wanted = read_hashed("uv")
    stamp = TOOLS / "wanted.txt"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted or not any(map(Path.is_file, places)):
        print("Fetching uv, which installs the packages ...", flush=True)
        part = TOOLS / "wanted.part"
        part.write_text(wanted, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        pip += ["--no-deps", "--require-hashes", f"--target={TOOLS}", f"--requirement={part}"]
        step = "check your network and that `python -m pip --version` works, then run this again."
        run(pip, environment, "uv could not be fetched.", step)
        part.replace(stamp)
    found = [place for place in places if place.is_file()]
    if not found:
        stop("uv is not where pip should have put it.", f"delete the folder {TOOLS.name}, then run this again.")
    return found[0]


def describe_wanted():
    """Return what the stamp of a finished set-up says: checksum of the lock, folder, version of Python."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return f"{digest.hexdigest()} {ROOT} {sys.version_info[0]}.{sys.version_info[1]}"


def read_stamp():
    """Return what the last finished set-up left, or an empty text where none finished or its Python is gone."""
    return STAMP.read_text(encoding="utf-8") if STAMP.is_file() and PYTHON.is_file() else ""


def set_up():
    """Create or update .venv; do nothing where it fits requirements.txt already."""
    wanted = describe_wanted()
    if read_stamp() == wanted:
        return
    turn = take_turn()
    try:
        before = read_stamp()
        if before != wanted:  # else whoever was here before has done it
            install(before, wanted)
    finally:
        os.close(turn)


def install(before, wanted):
    """Install the packages into .venv, which is made anew unless the stamp tells of the same folder and Python."""
    for_pip, for_uv = build_environments()
    uv = find_uv(for_pip)
    print("Installing the packages of the course (about 1.2 GB on disk) ...", flush=True)
    if STAMP.is_file():
        STAMP.unlink()  # from here on the environment is not whole
    if before.split()[1:] != wanted.split()[1:]:
        venv = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, ENVIRONMENT]
        run(venv, for_uv, "No environment could be made.", AGAIN)
    command = [uv, "pip", "install", "--python", PYTHON]
    packages = [*command, "--require-hashes", "--requirement", ROOT / "requirements.txt"]
    run(packages, for_uv, "The packages could not be installed.", AGAIN)
    own = [*command, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT]
    run(own, for_uv, "The course's own package could not be installed.", AGAIN)
    # Else each package is compiled when it is first imported, and a chapter takes twice as long at its first run.
    print("Compiling them once, so that the chapters start quickly ...", flush=True)
    compiling = [str(PYTHON), "-m", "compileall", "-qq", "-j", "0", "-x", NOT_COMPILED, ENVIRONMENT.name]
    subprocess.run(compiling, check=False, cwd=ROOT, env=for_uv, close_fds=False)  # some packages hold templates
    part = STAMP.with_suffix(".part")
    part.write_text(wanted, encoding="utf-8")
    part.replace(STAMP)


def main():
    """Set up, then hand over to the package."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        stop(
            "The course needs Python 3.11, 3.12 or 3.13; this is Python {}.{}.".format(*sys.version_info[:2]),
            "install one of them and use it: `make lab PYTHON=python3.12`, or on Windows `py -3.12 start.py`.",
        )
    try:
        set_up()
    except KeyboardInterrupt:
        sys.exit("\nThe set-up was interrupted. The same command makes it anew, from what was downloaded.")
    except OSError as error:
        stop(
            f"The set-up cannot write or read {error.filename or ROOT} ({error.strerror or error}).",
            "make room on the disk, and put the course into a folder that you may write to.",
        )
    command = sys.argv[1:] or ["lab"]
    if command != ["setup"]:
        arguments = [str(PYTHON), "-m", "llmops_utils", *command]
        try:
            sys.exit(subprocess.call(arguments, cwd=ROOT))
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
