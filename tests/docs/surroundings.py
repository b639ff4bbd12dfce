"""What an operator puts around the host, of packaging/: nginx and Caddy are started with their examples in front of a host, the files
for compose fit together, and logrotate turns the events over without losing one."""

import glob
import os
import re
import socket
import ssl
import subprocess
import tempfile

import yaml

from common import ROOT, Application, accepts, ask, end, expect, free_port, run, start, start_host, tool, until
from snippets import files

PACKAGING = os.path.join(ROOT, "packaging")


def check(program):
    for look in (proxies, compose, cluster, logrotate):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            files(program, folder)
            look(program, folder)
        print(f"  {look.__name__}", flush=True)


def read(*path):
    with open(os.path.join(PACKAGING, *path)) as file:
        return file.read()


def host_of(program, folder, settings):
    """A host for the domain of the examples, whose application knows john."""
    application = Application({"john": {"marie@example.com": {"name": "Marie"}}})
    host = start_host(program, folder, settings + f"""
[admin]
listen = "127.0.0.1:0"
[[host]]
domain = "example.com"
accounts = "accounts.txt"
[host.settings]
http_roster_url = "{application.address}/contacts/%s"
""")
    return host, application


def proxies(program, folder):
    # As the example asks for it, at an address that is known before.
    http = free_port()
    asked = "\n".join(re.findall(r"^# {3}(\S.*)$", read("proxy", "nginx.conf"), re.M)).replace('"..."', '"s3cret"')
    expect("[xmpp]" in asked and "[http]" in asked, "nginx.conf does not say what roster-host.toml needs")
    asked = asked.replace("[http]\n", f'[http]\nlisten = "127.0.0.1:{http}"\n').replace(
        "[xmpp]\n", '[xmpp]\nlisten = "off"\ntls_listen = "off"\ncertificate = "tls/chain.pem"\nkey = "tls/key.pem"\n')
    host, application = host_of(program, folder, asked)
    try:
        expect(host.ports["http"] == http, "the host listens elsewhere")
        for proxy in (nginx, caddy):
            port = free_port()
            process = proxy(folder, port, http)
            try:
                until(f"{proxy.__name__} listens", lambda: process.poll() is None and accepts(port))
                through(proxy.__name__, port, os.path.join(folder, "tls", "chain.pem"), host)
            finally:
                end(process)
    finally:
        host.stop()
        application.close()


def nginx(folder, port, http):
    text = read("proxy", "nginx.conf").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("127.0.0.1:5280", f"127.0.0.1:{http}")
    text = re.sub(r"/etc/letsencrypt/live/example.com/fullchain.pem", f"{folder}/tls/chain.pem", text)
    text = re.sub(r"/etc/letsencrypt/live/example.com/privkey.pem", f"{folder}/tls/key.pem", text)
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(os.path.join(folder, "nginx.conf"), "w") as file:
        file.write(f"user root;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\ndaemon off;\nevents {{}}\n"
                   f"http {{\naccess_log off;\n{paths}{text}\n}}\n")
    command = [tool("nginx"), "-p", folder, "-e", f"{folder}/nginx.log", "-c", f"{folder}/nginx.conf"]
    run([*command, "-t"])
    return start(command, folder, subprocess.DEVNULL)


def caddy(folder, port, http):
    text = read("proxy", "Caddyfile").replace("127.0.0.1:5280", f"127.0.0.1:{http}")
    # No certificate is asked for here, and nothing listens but that port.
    text = "{\n\tadmin off\n\tauto_https off\n}\n" + text.replace(
        "example.com {\n", f"https://example.com:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/tls/chain.pem {folder}/tls/key.pem\n", 1)
    path = os.path.join(folder, "Caddyfile")
    with open(path, "w") as file:
        file.write(text)
    environment = {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "HOME": folder}
    run([tool("caddy"), "adapt", "--config", os.path.join(PACKAGING, "proxy", "Caddyfile"), "--validate"], environment=environment)
    with open(os.path.join(folder, "caddy.log"), "w") as log:
        return start([tool("caddy"), "run", "--config", path, "--adapter", "caddyfile"], folder, log, environment)


def through(name, port, authority, host):
    """What a browser and the application do, by the proxy."""
    head = said(port, authority, "GET /xmpp-websocket HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: xmpp", "X-Forwarded-For: 192.0.2.66")
    expect(head.startswith("HTTP/1.1 101"), f"{name}: a WebSocket is answered\n{head}")
    head = said(port, authority, "GET /.well-known/host-meta.json HTTP/1.1", "Connection: close")
    expect(head.startswith("HTTP/1.1 200"), f"{name}: host-meta is answered\n{head}")
    refresh = ("POST /roster_admin/refresh HTTP/1.1", "Connection: close", "Content-Length: 8")
    head = said(port, authority, *refresh, "Authorization: Bearer s3cret", body='["john"]')
    expect(head.startswith("HTTP/1.1 200"), f"{name}: a refresh is answered\n{head}")
    head = said(port, authority, *refresh, body='["john"]')
    expect(head.startswith("HTTP/1.1 401"), f"{name}: a refresh without the token is answered\n{head}")
    for path in ("/", "/metrics", "/rosters/john"):
        head = said(port, authority, f"GET {path} HTTP/1.1", "Connection: close")
        expect(head.startswith("HTTP/1.1 404"), f"{name}: {path} is answered\n{head}")
    # Who says that he is another is not believed.
    expect(not any("192.0.2.66" in line for line in host.log), f"{name}: the host believes what a client says of its address")


def said(port, authority, *lines, body=""):
    """The head of the answer."""
    context = ssl.create_default_context(cafile=authority)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname="example.com") as stream:
            stream.sendall("\r\n".join([*lines, "Host: example.com", "", body]).encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                more = stream.recv(4096)
                if not more:
                    break
                answer += more
    return answer.partition(b"\r\n\r\n")[0].decode()


def paths(text):
    """The files and folders that a configuration names."""
    return [*re.findall(r'"(/var/[^"]+)"', text), *(f"/etc/roster-host/{name}" for name in re.findall(r'"([a-z.]+\.(?:pem|txt|password))"', text))]


def is_taken(program, folder, text):
    """The host takes this configuration of a container, with the folder in the place of the container's."""
    for name in ("chain.pem", "key.pem"):
        os.link(os.path.join(folder, "tls", name), os.path.join(folder, name))
    with open(os.path.join(folder, "roster-host.toml"), "w") as file:
        file.write(re.sub(r'"/var/[a-z]+/', f'"{folder}/', text))
    run([program, "--config", "roster-host.toml", "--check-config"], folder)


def compose(program, folder):
    service = yaml.safe_load(read("compose", "compose.yaml"))["services"]["roster-host"]
    here = os.path.join(PACKAGING, "compose")
    context = os.path.normpath(os.path.join(here, service["build"]["context"]))
    expect(context == ROOT and os.path.isfile(os.path.join(context, service["build"]["dockerfile"])), "compose.yaml builds something else")
    text = read("compose", "roster-host.toml")
    listens = set(re.findall(r'listen = "0\.0\.0\.0:(\d+)"', text))
    expect(listens == {port.rpartition(":")[2] for port in service["ports"]}, f"the configuration listens on {listens}; compose.yaml: {service['ports']}")
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    for path in paths(text):
        expect(path in mounted, f"{path} is not in compose.yaml")

    is_taken(program, folder, text)

    kind, healthy, *arguments = service["healthcheck"]["test"]
    expect((kind, healthy) == ("CMD", "/usr/bin/roster-host"), "the health check is another program's")
    host, application = host_of(program, folder, "")
    ask = [program, *arguments, "--admin", f"http://127.0.0.1:{host.ports['admin']}"]
    try:
        run(ask)
    finally:
        host.stop()
        application.close()
    expect(subprocess.run(ask, capture_output=True, timeout=60).returncode != 0, "the health check finds a host that has ended healthy")


def cluster(program, folder):
    nodes = {name: read("cluster", f"{name}.toml") for name in ("node-1", "node-2", "node-3")}
    expect(len({text.replace(f"chat-{name[-1]}", "chat-N") for name, text in nodes.items()}) == 1, "the nodes differ in more than their names")
    services = yaml.safe_load(read("cluster", "compose.yaml"))["services"]
    for name, text in nodes.items():
        mounted = [volume.split(":")[:2] for volume in services[f"chat-{name[-1]}"]["volumes"]]
        expect([f"./{name}.toml", "/etc/roster-host/roster-host.toml"] in mounted, f"compose.yaml does not give {name}.toml to its host")
        for path in paths(text):
            expect(path in [inside for _, inside in mounted], f"{path} of {name} is not in compose.yaml")
        for server in re.findall(r"nats://(nats-\d)", text):
            expect(server in services, f"{name}.toml names {server}, and compose.yaml has no such server")
    is_taken(program, folder, nodes["node-1"])

    rights = re.search(r"permissions \{.*?\n( *)\}", read("cluster", "nats-server.conf"), re.S)
    with open(os.path.join(ROOT, "docs", "cluster.md")) as file:
        shown = re.search(r"^permissions \{.*?^\}", file.read(), re.S | re.M)
    expect(rights and shown and rights[0].split() == shown[0].split(), "nats-server.conf and docs/cluster.md give different rights")


def logrotate(program, folder):
    log = os.path.join(folder, "events.jsonl")
    host, application = host_of(program, folder, f'[sinks.json_lines]\npath = "{log}"\n')
    admin = f"http://127.0.0.1:{host.ports['admin']}"
    path = os.path.join(folder, "roster-host")
    with open(path, "w") as file:
        file.write(read("logrotate", "roster-host").replace("/var/log/roster-host/events.jsonl", log))
    os.chmod(path, 0o644)
    try:
        ask("PUT", f"{admin}/sessions/john")
        until("an event", lambda: os.path.getsize(log))
        run([tool("logrotate"), "--force", "--state", os.path.join(folder, "state"), path])
        expect(os.path.exists(f"{log}.1") and not os.path.exists(log), f"logrotate left {glob.glob(folder + '/events*')}")
        application.say({"john": {}})
        ask("POST", f"{admin}/rosters/refresh")
        until("an event in the new file", lambda: os.path.exists(log) and '"changed"' in open(log).read())
        expect('"loaded"' in open(f"{log}.1").read(), "the old file has lost the event before")
    finally:
        host.stop()
        application.close()
