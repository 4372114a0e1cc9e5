"""Who is asked for the dialplan: files, a server, a script, FusionPBX."""

from __future__ import annotations

import pytest

from fsqueue.switch.dialplan_source import Source, dialplan_source

CURL = '<configuration name="xml_curl.conf"><bindings><binding name="b"><param name="gateway-url" {}/></binding></bindings></configuration>'
LUA = '<configuration name="lua.conf"><settings>{}</settings></configuration>'


def param(name: str, value: str) -> str:
    return f'<param name="{name}" value="{value}"/>'


def asked(curl: str = "", lua: str = "", loaded: tuple[str, ...] = ("mod_xml_curl", "mod_lua")) -> Source:
    said = {
        "xml_locate configuration configuration name xml_curl.conf": curl or "can't find anything",
        "xml_locate configuration configuration name lua.conf": lua or "can't find anything",
    }

    def ask(command: str) -> str:
        if command.startswith("module_exists"):
            return "true" if command.split()[1] in loaded else "false"
        return said[command]

    return dialplan_source(ask)


def test_without_anybody_to_ask_it_is_the_files() -> None:
    assert asked() == Source()
    assert asked().name == "its files"


@pytest.mark.parametrize("bindings", ["dialplan", "directory|dialplan", "configuration,dialplan", "dialplan directory"])
def test_a_server_that_is_asked_for_dialplans_is_named_without_its_password(bindings: str) -> None:
    found = asked(curl=CURL.format(f'value="https://fs:secret@pbx.example.com:8443/x.php?key=1" bindings="{bindings}"'))
    assert found == Source(kind="xml_curl", where="https://pbx.example.com:8443/x.php")


def test_a_server_without_bindings_is_asked_for_everything() -> None:
    assert asked(curl=CURL.format('value="http://pbx/x"')).kind == "xml_curl"


@pytest.mark.parametrize("bindings", ["directory", "configuration|directory", "dialplans"])
def test_a_server_that_is_asked_for_other_things_is_none(bindings: str) -> None:
    assert asked(curl=CURL.format(f'value="http://pbx/x" bindings="{bindings}"')) == Source()


def test_what_is_configured_for_a_module_that_is_not_loaded_counts_for_nothing() -> None:
    curl = CURL.format('value="http://pbx/x" bindings="dialplan"')
    assert asked(curl=curl, loaded=("mod_lua",)) == Source()


@pytest.mark.parametrize(
    ("script", "kind"),
    [("app.lua xml_handler", "fusionpbx"), ("app/xml_handler/index.lua", "fusionpbx"), ("dialplan.lua", "lua")],
)
def test_a_script_is_fusionpbxs_or_the_sites_own(script: str, kind: str) -> None:
    params = param("xml-handler-script", script) + param("xml-handler-bindings", "configuration,dialplan")
    assert asked(lua=LUA.format(params)) == Source(kind=kind, where=script)  # type: ignore[arg-type]


def test_a_script_for_other_things_and_bindings_without_a_script_are_none() -> None:
    other = param("xml-handler-script", "x.lua") + param("xml-handler-bindings", "directory")
    assert asked(lua=LUA.format(other)) == Source()
    assert asked(lua=LUA.format(param("xml-handler-bindings", "dialplan"))) == Source()
