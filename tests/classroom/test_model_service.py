"""Claims about the model's keys in a class: they are the Hub's, and its silence is no refusal."""

import asyncio

import pytest
from model_service import make_authenticate
from tornado import web

from llmops_utils.operations.request_checks import Refused


class FakeAuth:
    """The Hub's word about three keys."""

    access_scopes = ("access:services!service=model",)
    is_down = False

    def __init__(self):
        self.users = {
            "key-ana": {"kind": "user", "name": "ana", "may": True},
            "key-guest": {"kind": "user", "name": "guest", "may": False},
            "key-class": {"kind": "service", "name": "class", "may": True},
        }

    async def user_for_token(self, token, sync):
        if self.is_down:
            raise web.HTTPError(500)
        return self.users.get(token)

    def check_scopes(self, scopes, user):
        return user["may"]


def test_a_key_is_whom_the_hub_says_and_a_service_can_be_taken_for_no_user():
    auth = FakeAuth()
    authenticate = make_authenticate(auth)

    def ask(key):
        return asyncio.run(authenticate(key, "127.0.0.1"))

    found = [ask(key) for key in ("key-ana", "key-guest", "key-class", "key-nobody", "")]
    assert found == ["ana", None, "/class", None, None]
    auth.is_down = True
    with pytest.raises(Refused, match="cannot say whose key") as caught:
        ask("key-ana")
    assert (caught.value.status, caught.value.retry_s) == (503, 5)
