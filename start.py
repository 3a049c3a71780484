"""Set up the course and open it, with nothing but Python and pip on the machine.

    python start.py          set up if needed, fetch the model, check, open JupyterLab
    python start.py setup    set up only
    python start.py COMMAND  set up if needed, then run `python -m llmops_utils COMMAND`

The environment lives in `.venv` beside this file. Packages come in the versions and with the checksums of
`requirements.txt`. uv installs them, several times faster than pip; it is itself fetched with pip into `.tools`.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = ENVIRONMENT / "installed.txt"
IS_WINDOWS = os.name == "nt"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if IS_WINDOWS else "bin/python")
NOT_COMPILED = r"[/\\](tests?|kubernetes)[/\\]"  # a third of all code, and no chapter imports it


def stop(problem, step):
    """End with a message that says what to do."""
    sys.exit(f"\n{problem}\nWhat to do: {step}")


def read_hashed(package):
    """Return the lines of requirements.txt that pin one package with its checksums."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].startswith(" ")), len(lines))
    return "\n".join(lines[start:end]) + "\n"


def run(command, problem, step):
    """Run a command and stop with a message where it fails."""
    try:
        subprocess.run([str(part) for part in command], check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        stop(problem, step)


def find_uv():
    """Return the path of uv, fetched into .tools at the first call."""
    places = [TOOLS / "bin" / "uv", TOOLS / "bin" / "uv.exe", TOOLS / "Scripts" / "uv.exe"]
    wanted = read_hashed("uv")
    stamp = TOOLS / "wanted.txt"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted or not any(map(Path.is_file, places)):
        print("Fetching uv, which installs the packages …", flush=True)
        TOOLS.mkdir(exist_ok=True)
        part = TOOLS / "wanted.part"
        part.write_text(wanted, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        pip += ["--no-deps", "--require-hashes", f"--target={TOOLS}", f"--requirement={part}"]
        run(
            pip,
            "uv could not be fetched.",
            "check your network and that `python -m pip --version` works, then run this again.",
        )
        part.replace(stamp)
    return next(place for place in places if place.is_file())


def set_up():
    """Create or update .venv; do nothing where it fits requirements.txt already."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    wanted = f"{digest.hexdigest()} {ROOT} {sys.version_info[0]}.{sys.version_info[1]}"
    if PYTHON.is_file() and STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    uv = find_uv()
    print("Installing the packages of the course (about 1.2 GB on disk) …", flush=True)
    again = "run this again; what has come so far is kept. On a slow line this takes some minutes."
    version = wanted.split()[-1]
    if not PYTHON.is_file() or (STAMP.is_file() and STAMP.read_text(encoding="utf-8").split()[-1] != version):
        run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, ENVIRONMENT],
            "No environment could be made.",
            again,
        )
    lock = ROOT / "requirements.txt"
    install = [uv, "pip", "install", "--python", PYTHON]
    run([*install, "--require-hashes", "--requirement", lock], "The packages could not be installed.", again)
    run(
        [*install, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT],
        "The course's own package could not be installed.",
        again,
    )
    # Else each package is compiled when it is first imported, and a chapter takes twice as long at its first run.
    print("Compiling them once, so that the chapters start quickly …", flush=True)
    compiling = [str(PYTHON), "-m", "compileall", "-qq", "-j", "0", "-x", NOT_COMPILED, ENVIRONMENT.name]
    subprocess.run(compiling, check=False, cwd=ROOT)  # some packages hold templates that are no Python: no fault
    STAMP.write_text(wanted, encoding="utf-8")


def main():
    """Set up, then hand over to the package."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(map(str, sys.version_info[:2]))
        stop(
            f"The course needs Python 3.11, 3.12 or 3.13; this is Python {version}.",
            "install one of them and use it: `make lab PYTHON=python3.12`, or on Windows `py -3.12 start.py`.",
        )
    set_up()
    command = sys.argv[1:] or ["lab"]
    if command != ["setup"]:
        arguments = [str(PYTHON), "-m", "llmops_utils", *command]
        try:
            sys.exit(subprocess.call(arguments, cwd=ROOT))
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
