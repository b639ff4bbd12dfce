// @xmpp/client: john and marie by the transports that the arguments after the setup name.
import WebSocket from "ws";
import { client, xml } from "@xmpp/client";

import { TIMEOUT, Seen, play, setup } from "./scenario.mjs";

const ROSTER = "jabber:iq:roster";
// Node 20 has no WebSocket of its own.
globalThis.WebSocket = WebSocket;

const { ports } = setup;
const SERVICES = {
  STARTTLS: `xmpp://localhost:${ports.xmpp}`,
  "direct TLS": `xmpps://localhost:${ports.xmpps}`,
  WebSocket: `wss://localhost:${ports.https}/xmpp-websocket`,
};

const items = (query) =>
  Object.fromEntries(
    query.getChildren("item").map(({ attrs: { jid, name, subscription }, ...item }) => [
      jid,
      { name, groups: item.children.map((group) => group.getText()), subscription },
    ]),
  );

class Client {
  constructor(user, over) {
    Object.assign(this, { user, over, seen: new Seen(user), stanzas: [] });
    const password = setup.passwords[user];
    if (setup.resumes === false) this.cut = null;
    this.xmpp = client({ service: SERVICES[over], domain: "localhost", resource: "js", username: user, password });
    this.xmpp.timeout = TIMEOUT;
    // It waits for a write to be reported as done, and begins to wait for the answer after that. On one machine the answer may
    // be there before.
    const write = this.xmpp.write.bind(this.xmpp);
    this.xmpp.write = async (text) => void write(text).catch((error) => this.stanzas.push(`error: ${error}`));
    this.xmpp.on("element", (element) => this.stanzas.push(element.toString()));
    this.xmpp.on("send", (element) => ["auth", "authenticate"].includes(element.name) && (this.mechanism = element.attrs.mechanism));
    this.xmpp.on("error", (error) => this.stanzas.push(`error: ${error}`));
    this.xmpp.iqCallee.set(ROSTER, "query", ({ element }) => {
      this.seen.add("push", items(element));
      return true;
    });
    this.xmpp.on("stanza", (stanza) => {
      const { from, type } = stanza.attrs;
      const text = (name) => stanza.getChildText(name) ?? "";
      if (stanza.is("message")) this.seen.add("message", from, type, text("body"));
      if (stanza.is("presence")) this.seen.add("presence", from, type ?? "available", text("show"), text("status"));
    });
  }

  async logIn() {
    this.jid = (await this.xmpp.start()).toString();
    const wire = this.xmpp.socket.socket;
    return { mechanism: this.mechanism, trusted: (wire._socket ?? wire).authorized };
  }

  async getRoster() {
    return items(await this.xmpp.iqCaller.get(xml("query", ROSTER)));
  }

  sendPresence({ show, status }) {
    return this.xmpp.send(xml("presence", {}, show && xml("show", {}, show), status && xml("status", {}, status)));
  }

  sendMessage(to, body) {
    return this.xmpp.send(xml("message", { to, type: "chat" }, xml("body", {}, body)));
  }

  // The network goes away, and does not come back before comeBack().
  cut() {
    this.xmpp.reconnect.stop();
    const gone = new Promise((resolve) => this.xmpp.once("disconnect", resolve));
    const wire = this.xmpp.socket.socket;
    (wire._socket ?? wire).destroy();
    return gone;
  }

  // Resumes the session (XEP-0198).
  comeBack() {
    const resumed = new Promise((resolve) => this.xmpp.streamManagement.once("resumed", resolve));
    return Promise.all([this.xmpp.reconnect.reconnect(), resumed]);
  }

  logOut() {
    return this.xmpp.stop();
  }
}

const [johns, maries] = process.argv.slice(3);
// It knows no SCRAM-SHA-256.
await play(new Client("john", johns), new Client("marie", maries), ["SCRAM-SHA-1"]);
