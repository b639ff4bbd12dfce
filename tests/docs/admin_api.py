"""docs/admin-api.yaml is what the host does: the routes that it serves and no other, and answers that have exactly the members that
are named. And the curl lines of docs/admin-api.md run."""

import json
import os
import re
import shutil
import tempfile

import jsonschema
import yaml
from openapi_spec_validator import validate

import commands
from common import DOCS, ROOT, ask, expect, lonely_node, run, until
from session import Session

FILE = os.path.join(DOCS, "admin-api.yaml")
PAGE = os.path.join(DOCS, "admin-api.md")


def check(program):
    with open(FILE) as file:
        spec = yaml.safe_load(file)
    validate(spec)
    strict(spec)
    counts = [examples(spec)]
    with tempfile.TemporaryDirectory() as folder:
        session = Session(program, folder)
        try:
            commands.with_demo(session)
            counts += [routes(spec, session), lines(session), answers(spec, session)]
        finally:
            session.close()
        node = lonely_node(program, folder)
        try:
            _, _, body = ask("GET", f"http://127.0.0.1:{node.ports['admin']}/cluster")
            holds(spec, spec["components"]["schemas"]["Cluster"], json.loads(body), "GET /cluster of a node")
            expect(json.loads(body)["node"] == "a", f"/cluster says {body}")
        finally:
            node.stop()
    print("  %d examples, %d routes, %d curl lines, %d answers" % tuple(counts), flush=True)


def strict(node):
    """For programs that read, more members may come; for this check, each that comes has to be in the file."""
    if isinstance(node, dict):
        if "properties" in node and ("type" in node or "required" in node):
            node.setdefault("additionalProperties", False)
        for child in list(node.values()):
            strict(child)
    elif isinstance(node, list):
        for child in node:
            strict(child)


def holds(spec, schema, value, what):
    validator = jsonschema.Draft202012Validator({**schema, "components": spec["components"]})
    faults = [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in validator.iter_errors(value)]
    expect(not faults, f"{what}: {'; '.join(faults[:3])[:1000]}")


def resolved(spec, node):
    while "$ref" in node:
        found = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operations(spec):
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples(spec):
    """Each example is what its schema says."""
    count = 0
    for method, path, operation in operations(spec):
        for status, answer in operation["responses"].items():
            for kind in resolved(spec, answer).get("content", {}).values():
                shown = [kind["example"]] if "example" in kind else [one["value"] for one in kind.get("examples", {}).values()]
                for example in shown:
                    holds(spec, kind["schema"], example, f"the example of {method} {path} {status}")
                    count += 1
    expect(count > 10, "hardly any examples")
    return count


def routes(spec, session):
    """`GET /` has every route; with what parameters it takes."""
    status, _, body = ask("GET", address(session) + "/")
    expect(status == 200, body)
    served = {}
    for route in json.loads(body)["routes"]:
        method, path = route["path"].split(" ")
        path, _, query = path.partition("?")
        served[method, path] = set(re.findall(r"(\w+)=", query))
    described = {}
    for method, path, operation in operations(spec):
        parameters = [resolved(spec, parameter) for parameter in operation.get("parameters", [])]
        described[method, path] = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    described.pop(("GET", "/"))
    expect(set(served) == set(described), f"not in admin-api.yaml: {set(served) - set(described)}; only there: {set(described) - set(served)}")
    for route, parameters in served.items():
        expect(parameters == described[route], f"{' '.join(route)} takes {parameters}; admin-api.yaml says {described[route]}")
    with open(PAGE) as file:
        page = file.read()
    for method, path in served:
        expect(f"`{method} {path}`" in page, f"docs/admin-api.md has no row for {method} {path}")
    return len(served)


def another_plugin(path):
    """The built-in one, with a section that means nothing."""
    shutil.copyfile(os.path.join(ROOT, "target", "plugin", "wasm32-wasip2", "plugin", "http_roster_admin.wasm"), path)
    with open(path, "ab") as file:
        file.write(b"\x00\x05\x04docs")


def address(session):
    return f"http://127.0.0.1:{session.port('admin')}"


def lines(session):
    """The examples of the page's table."""
    another_plugin(os.path.join(session.folder, "my.wasm"))
    with open(PAGE) as file:
        found = re.findall(r"`(curl [^`]+)`", file.read())
    expect(len(found) > 10, f"only {len(found)} curl lines")
    # There is nothing to go back to before another plugin has served.
    for line in sorted(found, key=lambda line: "rollback" in line):
        line = line.replace("Bearer ...", f"Bearer {commands.token(session)}")
        if "curl -N" in line:
            line = f"timeout 2 {line} || [ $? -eq 124 ]"
        run(["bash", "-c", session.translate(line.replace("curl ", "curl --fail-with-body ", 1))], session.folder,
            environment={"CURL_HOME": session.folder})
    return len(found)


# What is asked, in this order: after the curl lines there are rosters, sessions and receipts. The status that is expected.
ASKED = [
    ("GET", "/", "/", 200),
    ("GET", "/healthz", "/healthz", 200),
    ("GET", "/readyz", "/readyz", 200),
    ("GET", "/metrics", "/metrics", 200),
    ("PUT", "/sessions/{user}", "/sessions/marie?resource=phone", 200),
    ("GET", "/rosters", "/rosters", 200),
    ("GET", "/rosters/{user}", "/rosters/marie", 200),
    ("GET", "/rosters/{user}", "/rosters/nobody", 404),
    ("GET", "/rosters/{user}", "/rosters/john?domain=example.net", 404),
    ("POST", "/rosters/refresh", "/rosters/refresh", 200),
    ("GET", "/sessions", "/sessions?limit=1", 200),
    ("GET", "/sessions", "/sessions?limit=0", 400),
    ("GET", "/users/{user}", "/users/marie", 200),
    ("GET", "/users/{user}", "/users/nobody", 404),
    ("GET", "/errors", "/errors", 200),
    ("GET", "/ui", "/ui", 200),
    ("DELETE", "/sessions/{user}", "/sessions/marie?resource=phone", 204),
    ("DELETE", "/sessions/{user}", "/sessions/marie?resource=phone", 404),
    ("GET", "/events", "/events?last_event_id=5c0ffee1d5a7b2c4-1", 200),
    ("GET", "/attach", "/attach", 200),
    ("GET", "/cluster", "/cluster", 200),
    ("GET", "/plugin", "/plugin", 200),
    ("POST", "/plugin/reload", "/plugin/reload", 200),
    ("POST", "/plugin/rollback", "/plugin/rollback?to=99", 422),
    ("PUT", "/plugin", "/plugin", 401),
    # The demo has no file to read again.
    ("POST", "/reload", "/reload", 404),
]


def answers(spec, session):
    asked = {(method, path) for method, path, _, _ in ASKED}
    there = {(method, path) for method, path, _ in operations(spec)}
    expect(asked == there, f"nothing asks {there - asked}; only asked: {asked - there}")
    for method, path, url, expected in ASKED:
        operation = spec["paths"][path][method.lower()]
        if path == "/events":
            stream(spec, operation, session, url)
            continue
        status, headers, body = ask(method, address(session) + url)
        expect(status == expected, f"{method} {url} is answered {status}, not {expected}: {body[:300]}")
        answer = operation["responses"].get(str(status), operation["responses"].get("default"))
        content = resolved(spec, answer).get("content", {})
        kind = (headers.get("Content-Type") or "").partition(";")[0]
        expect(kind in content or (not body and not content), f"{method} {url} {status} is {kind}; admin-api.yaml says {list(content)}")
        if kind == "application/json":
            holds(spec, content[kind]["schema"], json.loads(body), f"{method} {url} {status}")
    return len(ASKED)


def stream(spec, operation, session, url):
    """A stream that begins with what was missed, and goes on with a change."""
    schema = operation["responses"]["200"]["content"]["text/event-stream"]["schema"]
    since = len(session.output)
    session.type(f"curl -N http://127.0.0.1:5282{url}")
    until("what was missed", lambda: "event: missed" in session.output[since:])
    ask("PUT", f"http://127.0.0.1:{session.port('demo')}/names/marie/Mary")
    until("a change", lambda: re.search(r"^data: .*changed.*\n", session.output[since:], re.M))
    events = re.findall(r"^data: (\{.*\})$", session.output[since:], re.M)
    for event in events:
        holds(spec, schema, json.loads(event), f"an event: {event[:200]}")
