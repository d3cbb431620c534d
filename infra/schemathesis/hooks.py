"""Who calls, and how long a call may wait. Loaded by schemathesis."""

import base64
import os

import requests
import schemathesis

# `user`: an application user by Basic; `operator`: a person with a token; `keys`: the
# user again, by parameters of the management API.
CALLER = os.environ["FIRN_FUZZ_CALLER"]
USER, SECRET = "fuzz", "fuzz-secret"
# A receive that finds nothing would wait up to 30 s.
WAIT_SECONDS_MAX = 0.05


def login():
    form = {"username": "operator", "password": os.environ["FIRN_OPERATOR_PASSWORD"]}
    url = os.environ["FIRN_FUZZ_URL"] + "/v1/auth/login"
    answer = requests.post(url, json=form, timeout=20)
    answer.raise_for_status()
    return "Bearer " + answer.json()["token"]


class Credentials:
    def get(self, case, context):
        if CALLER == "operator":
            return login()
        return "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()

    def set(self, case, data, context):
        if CALLER == "keys":
            case.query.update(accessKey=USER, secretKey=SECRET)
        else:
            case.headers["Authorization"] = data


LOGOUT = "/v1/auth/logout"
schemathesis.auth(refresh_interval=300).skip_for(path=LOGOUT)(Credentials)


@schemathesis.auth(refresh_interval=None).apply_to(path=LOGOUT)
class Fresh(Credentials):
    """Whoever logs out ends no other call's log-in."""


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict):
        wait = body.get("waitSeconds")
        if isinstance(wait, (int, float)) and wait > WAIT_SECONDS_MAX:
            body["waitSeconds"] = WAIT_SECONDS_MAX
    if is_meant_to_be_valid(case):
        plain = with_plain_integers(body)
        # Whatever is set is judged anew, right or not.
        if repr(plain) != repr(body):
            case.body = plain
        # A cursor is right only when it is from an answer to the same query.
        if "cursor" in case.query:
            del case.query["cursor"]


def is_meant_to_be_valid(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def with_plain_integers(value):
    """To JSON Schema 16.0 is an integer. The service wants digits alone."""
    if isinstance(value, dict):
        return {name: with_plain_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_plain_integers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
