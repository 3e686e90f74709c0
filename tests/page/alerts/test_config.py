"""A target that could leak alerts, or that cannot be reached, is refused before the page starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from detector.errors import ConfigError
from detector.messages import Priority
from detector.page.alarm import Action, AlarmKind
from detector.page.alerts.config import Target
from tests.page.alerts.samples import config, defaults, row

_WEBHOOK = '[[webhook]]\nname = "a"\nsecret_file = "/s"\n'
_MQTT = '[[mqtt]]\nname = "a"\n'
_MAIL = '[[mail]]\nname = "a"\nsender = "a@b.example"\nto = ["c@d.example"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_WEBHOOK + 'url = "http://pager.example/"', "would cross the network in the clear; use https://"),
        (_WEBHOOK + 'url = "http://localhost.evil.example/"', "would cross the network in the clear"),
        (_WEBHOOK + 'url = "file:///etc/passwd"', "expected one like https://"),
        (_WEBHOOK + 'url = "https://pager.example/\\r\\nx: y"', "expected one like https://"),
        (_WEBHOOK + 'url = "https://pager.example:99999/"', "expected one like https://"),
        (_WEBHOOK + 'url = ""', "expected one like https://"),
        (_WEBHOOK + 'url = "https://u:p@pager.example/"', "holds a user or a password"),
        ('[[webhook]]\nname = "a"\nurl = "https://pager.example/"', "no secret_file is given"),
        (_WEBHOOK + 'url = "https://a.example/"\nkinds = ["seizures"]', "[[webhook]] number 1 kinds"),
        (_WEBHOOK + 'url = "https://a.example/"\nbed = ["a"]', "unknown key 'bed' in [[webhook]] (did you mean 'beds'"),
        ('[webhook]\nname = "a"', "webhook can be there several times, write [[webhook]]"),
        ('[[storage]]\npath = "a"', "storage is a section, write [storage]"),
        ('webhook = [1]', "is a section, write [[webhook]]"),
        ('[[webhook]]\nname = "a b"', "[[webhook]] number 1 name: got 'a b'"),
        (_MQTT + 'host = "broker"\nsecurity = "none"', "would cross the network in the clear"),
        (_MQTT + 'host = "broker"\nprefix = "a/+/#"', "expected a topic like"),
        (_MQTT + 'host = "broker"\npassword_file = "/p"', "but no username"),
        (_MQTT + 'host = ""', "expected the name or address of a broker"),
        (_MAIL + 'host = "mail.example"\nsecurity = "none"', "would cross the network in the clear"),
        (_MAIL + 'host = "mail.example"\nusername = "a"', "username and password_file belong together"),
        (_MAIL.replace("c@d.example", "c@d.example\\nBcc: x@y.example"), "expected one like ward3@hospital.example"),
        (_MAIL.replace('["c@d.example"]', "[]") + 'host = "m"', "expected 1 to 50"),
        (
            _WEBHOOK + 'url = "https://a.example/"\n' + _MQTT + 'host = "b"',
            "2 targets of alerts are called 'a'; expected a name for each",
        ),
        ("[alerts]\ngive_up_h = 0", "greater than 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    if "host" not in text and "[[mail]]" in text:
        text += 'host = "mail.example"'
    with pytest.raises(ConfigError, match=re.escape(said)):
        config(tmp_path, text)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_in_the_clear_it_may_go_to_this_machine_or_where_that_is_allowed(tmp_path: Path, host: str) -> None:
    assert config(tmp_path, _WEBHOOK + f'url = "http://{host}:8080/x"').webhook[0].name == "a"
    assert config(tmp_path, _WEBHOOK + 'url = "http://pager.example/"\nplain = true').webhook[0].plain


def test_each_target_is_laid_over_the_defaults_by_itself(tmp_path: Path) -> None:
    text = _WEBHOOK + 'url = "https://a.example/"\ntimeout_s = 5.0\n'
    text += '[[webhook]]\nname = "b"\nsecret_file = "/s"\nurl = "https://b.example/"'
    first, second = config(tmp_path, text).webhook
    assert (first.timeout_s, second.timeout_s) == (5.0, defaults("webhook")["timeout_s"])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, True),
        ({"beds": ["icu-*", "bed?"]}, True),
        ({"beds": ["icu-*"]}, False),
        ({"kinds": ["seizure"]}, True),
        ({"kinds": ["dead", "problem"]}, False),
        ({"priorities": ["high"]}, True),
        ({"priorities": ["low"]}, False),
        ({"actions": ["raised", "escalated"]}, True),
        ({"actions": ["over"]}, False),
        ({"beds": ["bed1"], "kinds": ["seizure"], "priorities": ["high"], "actions": ["over"]}, False),
    ],
)
def test_a_target_gets_what_fits_all_that_it_names(given: dict[str, Any], wanted: bool) -> None:
    common = {key: defaults("webhook")[key] for key in Target.model_fields}
    assert Target.model_validate({**common, "name": "a", **given}).wants(row()) is wanted


def test_the_choices_in_the_defaults_are_all_that_there_are() -> None:
    from detector.page.config import DEFAULTS

    text = DEFAULTS.read_text()
    for key, choices in (("kinds", AlarmKind), ("priorities", Priority), ("actions", Action)):
        [line] = [line for line in text.splitlines() if line.startswith(key) and "; [] is all" in line]
        assert re.findall(r'"([^"]+)"', line) == [str(choice) for choice in choices]
