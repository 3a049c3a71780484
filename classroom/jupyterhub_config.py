"""A class on one machine: JupyterHub, a server with the lessons for every student, and one model that all share.

`make class` runs it. By default everybody knows one class password and all servers run as the one who started the Hub:
good for a demonstration, no wall between students. With CLASS_USERS=system, students are users of this machine, with
their own passwords, homes and processes. Settings begin with CLASS_; the README beside this file lists them.
"""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from llmops_utils.core import NOTEBOOKS, ROOT, load_settings, read_json, write_whole

sys.path.insert(0, str(ROOT / "classroom"))
from lessons import publish_lessons

c = get_config()  # noqa: F821
settings = load_settings()  # of the shared model, as everywhere else: from LLMOPS_… and .env
BIN = Path(sys.executable).parent
FOLDER = Path(os.environ.get("CLASS_FOLDER") or settings.home / "class")
HOST, PORT = os.environ.get("CLASS_HOST", "127.0.0.1"), int(os.environ.get("CLASS_PORT", "8000"))
HUB, PROXY, MODEL, PAGE = (f"http://127.0.0.1:{PORT + number}" for number in (1, 2, 3, 4))  # for this machine alone
OWN = FOLDER / "hub"  # for the Hub's user alone; the lessons beside it are for all
FOLDER.mkdir(parents=True, exist_ok=True)
OWN.mkdir(mode=0o700, exist_ok=True)

c.JupyterHub.bind_url = f"http://{HOST}:{PORT}"
c.JupyterHub.hub_bind_url = HUB
c.JupyterHub.db_url = f"sqlite:///{OWN / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(OWN / "cookie_secret")
c.ConfigurableHTTPProxy.api_url = PROXY
c.ConfigurableHTTPProxy.pid_file = str(OWN / "proxy.pid")
c.ConfigurableHTTPProxy.command = [os.environ.get("CLASS_PROXY") or "configurable-http-proxy"]

# Who. A role of one's own cannot be assumed: the teacher's comes with being an administrator.
c.Authenticator.admin_users = set(os.environ.get("CLASS_TEACHERS", "teacher").split(","))
if os.environ.get("CLASS_USERS") == "system":
    c.JupyterHub.authenticator_class = "pam"
    c.LocalAuthenticator.allowed_groups = {os.environ.get("CLASS_GROUP", "class")}
    is_systemd = Path("/run/systemd/system").is_dir() and os.geteuid() == 0
    c.JupyterHub.spawner_class = "systemd" if is_systemd else "sudo" if os.geteuid() else "localprocess"
    c.SystemdSpawner.mem_limit, c.SystemdSpawner.cpu_limit = "2G", 2.0
    c.SystemdSpawner.isolate_tmp = c.SystemdSpawner.disable_user_sudo = True
    c.SudoSpawner.sudospawner_path = str(BIN / "sudospawner")
    # A restart of the Hub leaves the students' servers and the way to them alone.
    c.JupyterHub.cleanup_servers = c.JupyterHub.cleanup_proxy = False
else:
    passwords = OWN / "passwords.json"
    if not passwords.exists():
        made = {"class": secrets.token_hex(4), "teacher": secrets.token_hex(16)}
        write_whole(passwords, json.dumps(made) + "\n", is_private=True)
    known = read_json(passwords)
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = known["class"]
    c.SharedPasswordAuthenticator.admin_password = known["teacher"]
    c.Authenticator.allow_all = True
    c.Authenticator.username_pattern = r"[a-z][a-z0-9_.-]{0,31}"  # a name becomes a folder
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(FOLDER / "homes" / "{username}")
    print(f"The class is at http://{HOST}:{PORT}; the passwords are in {passwords}.", flush=True)

# Where: the lessons first, then JupyterLab.
c.Spawner.cmd = [str(ROOT / "classroom" / "start_student")]
if c.JupyterHub.spawner_class != "simple":
    c.Spawner.args = ["--KernelManager.transport=ipc"]  # kernels whose messages no other user can read
elif os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]
c.Spawner.notebook_dir = "~/llmops"
c.Spawner.default_url = "/lab/tree/00_start_here.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # thirty at once on two cores
c.Spawner.pre_spawn_hook = lambda spawner: publish_lessons(NOTEBOOKS, FOLDER / "lessons")
c.Spawner.environment = {
    "CLASS_BIN": str(BIN),
    "CLASS_LESSONS": f"file://{FOLDER / 'lessons'}",
    "CLASS_WEIGHTS": str(settings.home / "weights"),
    "JUPYTER_CONFIG_PATH": f"{ROOT}/classroom/lab_config:{ROOT}/llmops_utils/course/lab_config",
    "LLMOPS_NO_DOTENV": "1",  # which holds the teacher's keys
    "LLMOPS_HOME": "~/.llmops",
    "LLMOPS_PROGRESS": "~/llmops/progress.json",  # where the teacher's page finds it
    "LLMOPS_MODE": "auto",  # what is recorded costs nothing; only what a student changes is asked
    "LLMOPS_PROVIDER": settings.provider_name,
    "LLMOPS_BASE_URL": f"{MODEL}/v1",
    "LLMOPS_API_KEY": lambda spawner: spawner.api_token,
    "LLMOPS_RETRIES": "12",  # until a service that was killed is back
    "LLMOPS_TIMEOUT_S": "300",
    "LLMOPS_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
named = {"LLMOPS_MODEL": settings.model, "LLMOPS_EMBEDDING_MODEL": settings.embedding_model}
c.Spawner.environment |= {name: value for name, value in named.items() if value}

# The services. What a key of a student may do: tell that its server is used, and ask the model.
own = {name: value for name, value in os.environ.items() if name.startswith(("LLMOPS_", "CLASS_"))}
own |= {"LLMOPS_HOME": str(settings.home), "CLASS_FOLDER": str(OWN), "CLASS_URL": f"http://127.0.0.1:{PORT}"}
c.JupyterHub.services = [
    {
        "name": "model",
        "url": MODEL,
        "display": False,
        "command": [sys.executable, str(ROOT / "classroom" / "model_service.py")],
        "environment": own,
    },
    {
        "name": "class",
        "url": PAGE,
        "command": [sys.executable, str(ROOT / "classroom" / "teacher_page.py")],
        "environment": own | {"CLASS_MODEL": MODEL},
        "oauth_no_confirm": True,
    },
    {
        "name": "cull",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
        "environment": {"CLASS_FOLDER": str(OWN)},  # by which its processes are known
    },
]
ASK = "access:services!service=model"
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", ASK]},
    {
        "name": "class",
        "services": ["class"],
        "scopes": [ASK, "list:users", "read:servers", "read:users:activity", "access:servers"],
    },
    {
        "name": "cull",
        "services": ["cull"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    },
]
c.Spawner.server_token_scopes = ["users:activity!user", "access:servers!server", ASK]

publish_lessons(NOTEBOOKS, FOLDER / "lessons")
if shutil.which(c.ConfigurableHTTPProxy.command[0]) is None:
    sys.exit("configurable-http-proxy is not there: `make class` installs it where node 20 or later is.")
