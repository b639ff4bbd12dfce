// One chat client: a session of its own with the host, over WebSocket, with strophe.js.
import { capital, draw, el, say } from "./dom.js";

const { Strophe, $iq, $msg, $pres } = window;
const RETRY = 2000;
Strophe.setLogLevel(Strophe.LogLevel.FATAL);
const SHOWS = [
  ["online", "Available"],
  ["away", "Away"],
  ["dnd", "Do not disturb"],
];

const bare = (jid) => Strophe.getBareJidFromJid(jid);
const node = (jid) => Strophe.getNodeFromJid(jid) ?? jid;

export class Client {
  constructor(user, { domain, password, websocket }) {
    Object.assign(this, { user, password, websocket, jid: `${user}@${domain}`, contacts: new Map(), presences: new Map() });
    this.talks = new Map();
    this.build();
    this.connect();
  }

  // ---- what is seen -------------------------------------------------------------------------------------------------

  build() {
    this.avatar = el("span", { className: "avatar", textContent: capital(this.user).slice(0, 1), data: { presence: "offline" }, aria: { hidden: "true" } });
    this.under = el("span", { textContent: `${this.jid}, connecting…` });
    this.show = el("select", { ariaLabel: `Presence of ${this.user}` }, ...SHOWS.map(([value, text]) => el("option", { value, textContent: text })));
    this.show.addEventListener("change", () => this.sendPresence());
    const head = el("div", { className: "client-head" }, this.avatar, el("div", { className: "name" }, el("b", { textContent: capital(this.user) }), this.under), this.show);
    this.list = el("ul", { className: "contacts", ariaLabel: `Contacts of ${this.user}` });
    this.messages = el("div", { className: "messages", role: "log", tabIndex: 0, ariaLabel: `Chat of ${this.user}` });
    this.input = el("input", { maxLength: 2000, autocomplete: "off", ariaLabel: `Message from ${this.user}` });
    const send = el("form", { className: "send" }, this.input, el("button", { className: "primary", textContent: "Send" }));
    send.addEventListener("submit", (event) => {
      event.preventDefault();
      this.sendMessage();
    });
    const chat = el("div", { className: "chat" }, this.messages, send);
    this.element = el("section", { className: "client", ariaLabel: `Client of ${this.user}`, data: { user: this.user } }, head, this.list, chat);
    this.showContacts();
  }

  state(text, presence) {
    this.under.textContent = text || this.jid;
    this.avatar.dataset.presence = presence;
    this.element.dataset.state = presence;
  }

  showContacts(arrived = new Set()) {
    const jids = [...this.contacts.keys()].sort();
    if (!this.contacts.has(this.talkingTo)) this.talkingTo = jids.find((jid) => this.presence(jid) !== "offline") ?? jids[0];
    draw(this.list, () => this.showList(jids, arrived));
    this.showTalk();
  }

  showList(jids, arrived) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.jid : null;
    this.list.replaceChildren(
      ...jids.map((jid) => el("li", { className: arrived.has(jid) ? "arrive" : "" }, this.contact(jid))),
      ...(jids.length ? [] : [el("li", { className: "none", textContent: this.element?.dataset.state === "online" ? "Nobody is on this list." : "No roster yet." })]),
    );
    if (focused) [...this.list.querySelectorAll("button")].find((one) => one.dataset.jid === focused)?.focus();
  }

  contact(jid) {
    const name = this.contacts.get(jid) ?? node(jid);
    const presence = this.presence(jid);
    const unread = this.talk(jid).unread;
    const text = SHOWS.find(([value]) => value === presence)?.[1] ?? "offline";
    const made = el(
      "button",
      { type: "button", className: "contact", data: { jid }, aria: { pressed: String(jid === this.talkingTo) } },
      el("span", { className: "avatar", textContent: name.slice(0, 1), data: { presence }, aria: { hidden: "true" } }),
      el("span", { className: "who" }, el("b", { textContent: name }), el("span", { textContent: `${node(jid)} · ${text.toLowerCase()}` })),
      unread > 0 && el("span", { className: "unread", textContent: unread, ariaLabel: `${unread} unread` }),
    );
    made.addEventListener("click", () => {
      this.talkingTo = jid;
      this.talk(jid).unread = 0;
      this.showContacts();
      this.input.focus();
    });
    return made;
  }

  showTalk() {
    const jid = this.talkingTo;
    this.input.placeholder = jid ? `Message to ${this.contacts.get(jid) ?? node(jid)}` : "Nobody to write to";
    this.input.disabled = !jid;
    const said = jid ? this.talk(jid).said : [];
    const hint = el("p", { className: "hint", textContent: jid ? "Say hello." : "Befriend somebody first." });
    this.messages.replaceChildren(...(said.length ? said.map((one) => one.element) : [hint]));
    this.messages.scrollTop = this.messages.scrollHeight;
  }

  talk(jid) {
    if (!this.talks.has(jid)) this.talks.set(jid, { said: [], unread: 0 });
    return this.talks.get(jid);
  }

  /** The best presence of a contact's resources. */
  presence(jid) {
    const all = [...(this.presences.get(jid)?.values() ?? [])];
    return SHOWS.map(([value]) => value).find((value) => all.includes(value)) ?? "offline";
  }

  // ---- what goes over the wire --------------------------------------------------------------------------------------

  connect() {
    const strophe = (this.strophe = new Strophe.Connection(this.websocket));
    const { CONNECTED, DISCONNECTED, AUTHFAIL, CONNFAIL } = Strophe.Status;
    // Of its own: the page may be open twice.
    strophe.connect(`${this.jid}/page-${Math.random().toString(36).slice(2, 8)}`, this.password, (status, reason) => {
      if (strophe !== this.strophe) return;
      if (status === CONNECTED) this.connected();
      if (status === AUTHFAIL) this.state("the password is not taken", "offline");
      if ([DISCONNECTED, CONNFAIL].includes(status)) this.gone(reason);
    });
  }

  connected() {
    this.state("", "online");
    const handle = (name, type, handler) => this.strophe.addHandler((stanza) => (handler.call(this, stanza), true), null, name, type);
    handle("iq", "set", this.pushed);
    handle("presence", null, this.presenceCame);
    handle("message", null, this.messageCame);
    this.strophe.sendIQ($iq({ type: "get" }).c("query", { xmlns: Strophe.NS.ROSTER }), (iq) => {
      this.contacts.clear();
      this.items(iq, new Set());
      this.sendPresence();
      this.showContacts();
    });
  }

  gone() {
    if (this.leaving) return;
    this.state("away from the host; trying again", "offline");
    this.presences.clear();
    this.showContacts();
    setTimeout(() => this.connect(), RETRY);
  }

  /** Ends the session; the page is closed. */
  leave() {
    this.leaving = true;
    this.strophe.options.sync = true;
    this.strophe.flush();
    this.strophe.disconnect("the page is closed");
  }

  items(iq, arrived) {
    for (const item of iq.getElementsByTagName("item")) {
      const jid = item.getAttribute("jid");
      if (item.getAttribute("subscription") === "remove") {
        say(`${this.contacts.get(jid) ?? node(jid)} has left the list of ${this.user}.`);
        this.contacts.delete(jid);
        this.presences.delete(jid);
      } else {
        const name = item.getAttribute("name");
        if (!this.contacts.has(jid) || this.contacts.get(jid) !== name) arrived.add(jid);
        this.contacts.set(jid, name);
      }
    }
  }

  /** A roster push (RFC 6121 section 2.1.6). */
  pushed(iq) {
    if (!iq.getElementsByTagNameNS(Strophe.NS.ROSTER, "query").length) return;
    this.strophe.send($iq({ type: "result", id: iq.getAttribute("id") }));
    const arrived = new Set();
    this.items(iq, arrived);
    for (const jid of arrived) say(`${this.contacts.get(jid) ?? node(jid)} is on the list of ${this.user}.`);
    this.showContacts(arrived);
  }

  presenceCame(stanza) {
    const [from, type] = [stanza.getAttribute("from"), stanza.getAttribute("type")];
    if (!from || bare(from) === this.jid) return;
    const of = this.presences.get(bare(from)) ?? new Map();
    this.presences.set(bare(from), of);
    if (type === "unavailable" || type === "error") of.delete(from);
    else if (!type) {
      const show = stanza.getElementsByTagName("show")[0]?.textContent;
      of.set(from, show === "dnd" ? "dnd" : show && show !== "chat" ? "away" : "online");
    }
    this.showContacts();
  }

  sendPresence() {
    const [show] = [this.show.value];
    const presence = $pres();
    if (show !== "online") presence.c("show").t(show);
    this.strophe.send(presence);
    this.avatar.dataset.presence = show;
  }

  messageCame(stanza) {
    const from = bare(stanza.getAttribute("from") ?? "");
    const body = stanza.getElementsByTagName("body")[0]?.textContent;
    if (stanza.getAttribute("type") === "error") {
      const sent = this.talk(from).said.findLast((one) => one.id === stanza.getAttribute("id"));
      if (sent && !sent.element.classList.contains("failed")) {
        sent.element.classList.add("failed");
        sent.element.append(el("small", { textContent: "not delivered: nobody is there" }));
        this.messages.scrollTop = this.messages.scrollHeight;
      }
      return;
    }
    if (!body || !from) return;
    this.said(from, body, false);
  }

  sendMessage() {
    const body = this.input.value.trim();
    if (!body || !this.talkingTo || !this.strophe.connected) return;
    const id = this.strophe.getUniqueId("chat");
    this.strophe.send($msg({ to: this.talkingTo, type: "chat", id }).c("body").t(body));
    this.said(this.talkingTo, body, true, id);
    this.input.value = "";
  }

  said(jid, body, mine, id) {
    const talk = this.talk(jid);
    talk.said.push({ id, element: el("p", { className: mine ? "message mine arrive" : "message arrive", textContent: body }) });
    talk.said.splice(0, talk.said.length - 100);
    if (jid !== this.talkingTo) talk.unread += 1;
    this.showContacts();
  }
}
