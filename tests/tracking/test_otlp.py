"""A trace is written to a file, sent over HTTP to a receiver that decodes it, and lost on no way."""

import json
import time
from contextlib import suppress

import pytest
from fake_receiver import FakeReceiver
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from llmops_utils.core import DataError, KeyRefused, ProviderError, SettingsError, Unreachable
from llmops_utils.models import Provenance, Reply
from llmops_utils.tracking import otlp, record_trace, send_trace, span, write_trace

KEY = "sk-verysecret0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@span("tool")
def look_up(number):
    return f"order {number}"


@span("model")
def ask(question, temperature=0.0, max_tokens=16):
    return Reply("repair", 30, 2, 0.5, 0.0, Provenance("tiny", "abc", "replay"))


def record(num=1, **options):
    with record_trace("one request", **options) as root:
        for number in range(num):
            look_up(number)
        ask("Where is it?")
        with suppress(ZeroDivisionError):
            span("retrieval")(lambda text: 1 / 0)("lost")
    return root


def read_attributes(sent):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in sent.attributes}


def test_what_a_receiver_decodes_has_the_times_kinds_and_errors_that_were_recorded():
    path = write_trace(record())
    (line,) = path.read_text(encoding="utf-8").splitlines()
    first = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (first["traceId"], len(first["spanId"]), first["kind"]) == (path.stem, 16, 1)  # base 16, enums as numbers
    with FakeReceiver() as receiver:
        sent = send_trace(path, receiver.url)
    assert (path.exists(), sent.exists(), sent.parent.name) == (False, True, "sent")
    assert receiver.headers[0]["Content-Type"] == "application/x-protobuf"
    spans = {one.name: one for one in receiver.spans.values()}
    chat, tool, lost = (spans[name] for name in ("chat tiny", "execute_tool look_up", "retrieval"))
    assert {one.trace_id for one in receiver.spans.values()} == {bytes.fromhex(path.stem)}
    assert (chat.end_time_unix_nano - chat.start_time_unix_nano) / 1e9 == 0.5
    assert (chat.kind, tool.kind) == (Sent.SPAN_KIND_CLIENT, Sent.SPAN_KIND_INTERNAL)
    assert (lost.status.code, read_attributes(lost)["error.type"]) == (Status.STATUS_CODE_ERROR, "ZeroDivisionError")
    assert read_attributes(chat)["gen_ai.response.finish_reasons"].values[0].string_value == "stop"


def test_no_key_and_no_content_leaves_in_a_trace_unless_the_content_is_asked_for(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for keeps_content, told in ((False, "my key is"), (True, "my key is [key]")):
        with record_trace(f"asked with {KEY}", keeps_content=keeps_content) as root:
            look_up(KEY)
            ask([{"role": "user", "content": f"my key is {KEY}"}])
        with FakeReceiver() as receiver:
            sent = send_trace(write_trace(root), receiver.url)
        left = sent.read_text(encoding="utf-8") + str(list(receiver.spans.values()))
        assert (told in left, KEY in left) == (keeps_content, False)


def test_2_000_spans_go_in_requests_of_500():
    path = write_trace(record(1_997))
    with FakeReceiver() as receiver:
        send_trace(path, receiver.url)
    assert (len(receiver.spans), receiver.num_requests) == (2_000, 4)
    assert max(receiver.sizes) < 500_000


def test_a_receiver_that_fails_loses_nothing_and_the_same_call_sends_all_later(monkeypatch):
    """Gone, slow, dripping, down half-way, without the key, at a wrong address, full of HTML, or refusing a part."""
    monkeypatch.setattr(otlp, "TIMEOUT_S", 0.4)
    part = ExportTraceServiceResponse()
    part.partial_success.rejected_spans, part.partial_success.error_message = 7, "name too long"
    cases = [
        ({"delay_s": 0.6}, Unreachable, "did not answer within 0.4 s"),
        ({"body": b"x" * 50, "delay_s": 0.1, "is_dripping": True}, Unreachable, "did not answer within"),
        ({"fails_from": 2}, ProviderError, "status 503"),
        ({"status": 401}, KeyRefused, "does not accept the key"),
        ({"status": 404}, ProviderError, "status 404"),
        ({"status": 302}, ProviderError, "status 302"),
        ({"body": b"<html>Welcome</html>", "kind": "text/html"}, ProviderError, "no receiver of traces"),
        ({"body": b"\xff\xfe nonsense"}, ProviderError, "no receiver of traces"),
        ({"body": b"{]", "kind": "application/json"}, ProviderError, "no receiver of traces"),
        ({"body": b"\0" * 200_000}, ProviderError, "no receiver of traces"),
        ({"body": part.SerializeToString()}, ProviderError, "refused 7 spans: name too long"),
    ]
    path = write_trace(record(600))
    content = path.read_bytes()
    missed = []
    for behaviour, error, said in cases:
        with FakeReceiver(**behaviour) as receiver:
            begun = time.monotonic()
            try:
                send_trace(path, receiver.url)
                missed.append((said, "no error"))
            except error as caught:
                is_told = said in caught.problem and "send_trace again" in caught.next_step
                if not is_told or path.read_bytes() != content or time.monotonic() - begun > 9:
                    missed.append((said, str(caught)))
    assert missed == []
    for url in ("http://127.0.0.1:9/v1/traces", "no address", "http://[", ""):
        with pytest.raises((Unreachable, SettingsError)):
            send_trace(path, url)
    assert path.read_bytes() == content
    with FakeReceiver() as receiver:
        send_trace(path, receiver.url)
    assert len(receiver.spans) == 603
    for body, kind in ((b"{}", "application/json"), (b"", "application/json; charset=utf-8"), (b"", "")):
        with FakeReceiver(body=body, kind=kind) as receiver:
            assert send_trace(write_trace(record()), receiver.url).parent.name == "sent"


def test_the_environment_names_a_receiver_with_its_key_or_an_opik_and_in_replay_none(monkeypatch):
    path = write_trace(record())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/base/")
    with pytest.raises(SettingsError, match="In replay nothing is sent"):
        send_trace(path)
    monkeypatch.setenv("LLMOPS_MODE", "live")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc123def, x-team = shop,broken")
    url, headers = otlp.find_receiver()
    assert url == "http://127.0.0.1:9/base/v1/traces"
    assert headers == {"Authorization": "Basic abc123def", "x-team": "shop"}
    with pytest.raises(Unreachable) as caught:
        send_trace(path)
    assert "abc123def" not in str(caught.value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/other")
    assert otlp.find_receiver()[0] == "http://127.0.0.1:9/other"
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"):
        monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match="No receiver of traces is named"):
        otlp.find_receiver()
    monkeypatch.setenv("OPIK_API_KEY", "opikkey0123456789")
    monkeypatch.setenv("OPIK_WORKSPACE", "pellworth")
    told = {"Comet-Workspace": "pellworth", "projectName": "llmops-workbook", "Authorization": "opikkey0123456789"}
    assert otlp.find_receiver() == ("https://www.comet.com/opik/api/v1/private/otel/v1/traces", told)
    with FakeReceiver() as receiver:  # an Opik of one's own
        monkeypatch.setenv("OPIK_URL_OVERRIDE", receiver.url.removesuffix("/v1/traces") + "/api")
        send_trace(path)
    assert (receiver.headers[0]["Comet-Workspace"], len(receiver.spans)) == ("pellworth", 4)


def test_what_is_no_trace_is_not_sent(home):
    odd = home / "odd.jsonl"
    with pytest.raises(DataError, match="There is no trace"):
        send_trace(odd, "http://127.0.0.1:9")
    no_id = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}'
    for content in (b"\xff", b"[]", b'{"resourceSpans": 3}', no_id):
        odd.write_bytes(content)
        with pytest.raises(DataError, match="holds no trace"):
            send_trace(odd, "http://127.0.0.1:9")
