"""Claims about the class on a cluster, as far as they can be checked without one: its files fit each other and the course."""

import re
from pathlib import Path

import yaml

from llmops_utils.core import ROOT, load_settings
from llmops_utils.core.settings import PREFIX, Settings

FOLDER = ROOT / "classroom" / "kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
MADE = {
    (one["kind"], one["metadata"]["name"]): one
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "values.yaml"
    for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
}
PODS = {name: one["spec"]["template"] for (kind, name), one in MADE.items() if kind == "Deployment"}


def read_environment(name):
    return {one["name"]: one.get("value") for one in PODS[name]["spec"]["containers"][0].get("env", [])}


def test_every_service_finds_its_pods_and_every_address_names_a_service():
    for name, pod in PODS.items():
        service = MADE["Service", name]["spec"]
        assert service["selector"].items() <= pod["metadata"]["labels"].items()
        assert service["ports"][0]["port"] == pod["spec"]["containers"][0]["ports"][0]["containerPort"]
        for volume in pod["spec"].get("volumes", []):
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or ("PersistentVolumeClaim", claim["claimName"]) in MADE
    texts = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml"))
    assert {*re.findall(r"http://(class-\w+)", texts)} <= PODS.keys()
    assert MADE["NetworkPolicy", "class-vllm"]["spec"]["podSelector"]["matchLabels"] == {"app": "class-vllm"}


def test_settings_are_known_and_keys_come_from_the_charts_secret():
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "NO_DOTENV"}
    environments = [VALUES["singleuser"]["extraEnv"], *map(read_environment, PODS)]
    used = {name for one in environments for name in one if name.startswith(PREFIX)}
    assert used <= known, used - known
    fields = {name.removeprefix(PREFIX).lower(): value for name, value in environments[0].items() if name in known}
    fields.pop("no_dotenv")
    assert load_settings(**fields).is_embedded
    for name, service in (("class-model", "model"), ("class-page", "class")):
        [key] = [one for one in PODS[name]["spec"]["containers"][0]["env"] if one["name"] == "JUPYTERHUB_API_TOKEN"]
        assert key["valueFrom"]["secretKeyRef"]["key"] == f"hub.services.{service}.apiToken"
        assert service in VALUES["hub"]["services"]
        assert f"service={service}" in read_environment(name)["JUPYTERHUB_OAUTH_ACCESS_SCOPES"]


def test_students_may_do_there_what_they_may_on_one_machine():
    assert VALUES["hub"]["loadRoles"]["user"]["scopes"] == ["self", "access:services!service=model"]
    extra = VALUES["hub"]["extraConfig"]["class"]
    compile(extra, "extraConfig", "exec")
    [scopes] = re.findall(r"server_token_scopes = (\[.*\])", extra)
    assert scopes == '["users:activity!user", "access:servers!server", "access:services!service=model"]'
    assert Path(ROOT / VALUES["singleuser"]["cmd"].removeprefix("/workbook/")).exists()
