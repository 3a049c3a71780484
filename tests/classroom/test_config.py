"""Claims about the Hub's configuration: who may do what, and what a student's server is told."""

import json
import os
import runpy
import shutil

import pytest
from traitlets.config import Config

from llmops_utils.core import ROOT

pytestmark = pytest.mark.skipif(shutil.which("git") is None or os.name == "nt", reason="a class runs on Linux or macOS")


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return a function that loads the configuration with variables, as JupyterHub does."""

    def run(**variables):
        proxy = tmp_path / "proxy"
        proxy.touch(mode=0o755)
        given = {"CLASS_FOLDER": str(tmp_path / "class"), "CLASS_PROXY": str(proxy)} | variables
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        config = Config()
        runpy.run_path(str(ROOT / "classroom" / "jupyterhub_config.py"), {"get_config": lambda: config})
        return config

    return run


def test_passwords_are_made_once_for_their_owner_alone_and_shown_nowhere(load, tmp_path, capsys):
    first = load().SharedPasswordAuthenticator
    again = load().SharedPasswordAuthenticator
    assert (first.user_password, first.admin_password) == (again.user_password, again.admin_password)
    assert len(first.user_password) >= 8
    assert len(first.admin_password) >= 32
    assert (tmp_path / "class" / "hub").stat().st_mode & 0o77 == 0
    assert first.user_password not in capsys.readouterr().out


def test_a_student_may_use_the_own_server_and_the_model_and_sees_no_key_of_the_teacher(load):
    config = load(LLMOPS_PROVIDER="openai", LLMOPS_API_KEY="sk-of-the-teacher-123", CLASS_TEACHERS="mia,tom")
    roles = {role["name"]: role for role in config.JupyterHub.load_roles}
    assert roles["user"]["scopes"] == ["self", "access:services!service=model"]
    assert all("services" in role for name, role in roles.items() if name != "user")
    assert config.Authenticator.admin_users == {"mia", "tom"}
    told = config.Spawner.environment
    assert "sk-of-the-teacher" not in json.dumps({name: str(value) for name, value in told.items()})
    assert (told["LLMOPS_NO_DOTENV"], told["LLMOPS_MODE"], told["LLMOPS_PROVIDER"]) == ("1", "auto", "openai")
    services = {one["name"]: one for one in config.JupyterHub.services}
    assert services["model"]["environment"]["LLMOPS_API_KEY"] == "sk-of-the-teacher-123"
    assert services["model"]["url"] + "/v1" == told["LLMOPS_BASE_URL"]
    assert all(one["url"].startswith("http://127.0.0.1:") for one in services.values() if "url" in one)


def test_users_of_the_system_have_their_own_passwords_and_a_restart_leaves_their_servers_alone(load):
    config = load(CLASS_USERS="system", CLASS_GROUP="llmops")
    assert config.JupyterHub.authenticator_class == "pam"
    assert config.LocalAuthenticator.allowed_groups == {"llmops"}
    assert config.JupyterHub.spawner_class in ("systemd", "sudo", "localprocess")
    assert "allow_all" not in config.Authenticator
    assert not config.JupyterHub.cleanup_servers
    assert "--allow-root" not in config.Spawner.args


def test_without_the_proxy_the_step_is_named(load):
    with pytest.raises(SystemExit, match="node 20"):
        load(CLASS_PROXY="/nowhere/configurable-http-proxy")
