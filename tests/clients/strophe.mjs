// strophe.js, as it runs in web pages: over WebSocket, at the URL that the host tells (XEP-0156).
import { $iq, $msg, $pres, Strophe } from "strophe.js";

import { Seen, play, setup } from "./scenario.mjs";

Strophe.setLogLevel(Strophe.LogLevel.WARN);
const told = await fetch(`https://localhost:${setup.ports.https}/.well-known/host-meta.json`);
const { links } = await told.json();
const url = links.find(({ rel }) => rel === "urn:xmpp:alt-connections:websocket").href;

const texts = (element, name) => Array.from(element.getElementsByTagName(name), (found) => found.textContent);
const items = (iq) =>
  Object.fromEntries(
    Array.from(iq.getElementsByTagName("item"), (item) => [
      item.getAttribute("jid"),
      {
        name: item.getAttribute("name") ?? undefined,
        groups: texts(item, "group"),
        subscription: item.getAttribute("subscription"),
      },
    ]),
  );

class Client {
  constructor(user) {
    Object.assign(this, { user, over: url, seen: new Seen(user), stanzas: [] });
    this.strophe = new Strophe.Connection(url);
    this.strophe.rawInput = (text) => this.stanzas.push(text);
    this.strophe.rawOutput = (text) => (this.mechanism = /^<auth [^>]*mechanism="([^"]*)"/.exec(text)?.[1] ?? this.mechanism);
    // A handler that returns true is kept. None is asked for by the namespace of a child: the DOM that strophe.js brings for
    // Node does not have what it looks for children with.
    const handle = (name, type, handler) => this.strophe.addHandler((element) => (handler(element), true), null, name, type);
    this.listen = () => {
      handle("iq", "set", (iq) => {
        if (!iq.getElementsByTagNameNS(Strophe.NS.ROSTER, "query").length) return;
        this.strophe.send($iq({ type: "result", id: iq.getAttribute("id") }));
        this.seen.add("push", items(iq));
      });
      handle("message", null, (message) => {
        this.seen.add("message", message.getAttribute("from"), message.getAttribute("type"), texts(message, "body").join());
      });
      handle("presence", null, (presence) => {
        const [from, type] = [presence.getAttribute("from"), presence.getAttribute("type") ?? "available"];
        this.seen.add("presence", from, type, texts(presence, "show").join(), texts(presence, "status").join());
      });
    };
  }

  logIn() {
    const { CONNECTED, AUTHFAIL, CONNFAIL, DISCONNECTED } = Strophe.Status;
    return new Promise((resolve, reject) => {
      this.strophe.connect(`${this.user}@localhost/strophe`, setup.passwords[this.user], (status, reason) => {
        if (status === CONNECTED) {
          this.jid = this.strophe.jid;
          this.listen();
          resolve({ mechanism: this.mechanism, trusted: this.strophe._proto.socket._socket.authorized });
        } else if (status === DISCONNECTED) {
          this.gone?.();
        }
        if ([AUTHFAIL, CONNFAIL, DISCONNECTED].includes(status)) reject(new Error(`${this.user}: status ${status}: ${reason}`));
      });
    });
  }

  async getRoster() {
    const ask = $iq({ type: "get" }).c("query", { xmlns: Strophe.NS.ROSTER });
    return items(await new Promise((resolve, reject) => this.strophe.sendIQ(ask, resolve, reject)));
  }

  sendPresence({ show, status }) {
    const presence = $pres();
    if (show) presence.c("show").t(show).up();
    if (status) presence.c("status").t(status).up();
    this.strophe.send(presence);
  }

  sendMessage(to, body) {
    this.strophe.send($msg({ to, type: "chat" }).c("body").t(body));
  }

  logOut() {
    return new Promise((resolve) => {
      this.gone = resolve;
      this.strophe.disconnect();
    });
  }
}

await play(new Client("john"), new Client("marie"), ["SCRAM-SHA-256"]);
process.exit(0);
