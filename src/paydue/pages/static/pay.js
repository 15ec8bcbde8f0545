// The payment page's one script: the amount as it is typed, the gateway's card form, and how a payment stands.
//
// Without it the page can be read, printed and, with a gateway that has a page of its own, paid. What it checks the
// server checks again; what it shows of a result it asks the server for. It sets no cookie and keeps nothing.

"use strict";

(() => {
  const POLL_EVERY = 5000;
  const POLL_FOR = 120000;
  const TOKEN_WITHIN = 30000;
  // The gateway ends a card form some time after it was opened: another one is opened a little earlier.
  const ALMOST_OVER = 60;

  const link = location.pathname;
  const byId = (id) => document.getElementById(id);
  const form = () => byId("pay-form");
  const asked = document.querySelector("[data-challenge]");
  const said = (name) => (form() ?? asked)?.dataset[name] ?? "";

  // --- amounts, by the rules of language/typed_amounts.py ---

  function readAmount(text, marks) {
    if (text.length > 40) return {fault: "figures"};
    let plain = text.normalize("NFKC").replace(/[\s'\u2019]+/gu, "");
    for (const name of marks.names) {
      const upper = plain.toUpperCase();
      if (upper.startsWith(name)) { plain = plain.slice(name.length); break; }
      if (upper.endsWith(name)) { plain = plain.slice(0, -name.length); break; }
    }
    if (!plain) return {fault: "missing"};
    if (!/^(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)$/.test(plain)) return {fault: "figures"};
    let [whole, decimals] = parted(plain, marks);
    if (/[.,]/.test(whole)) {
      if (!isGrouped(whole) || (whole.includes(".") && whole.includes(","))) return {fault: "figures"};
      whole = whole.replace(/[.,]/g, "");
    }
    if (whole.length > 19) return {fault: "figures"};
    if (decimals.length > marks.decimals) return {fault: marks.decimals ? "decimals" : "whole"};
    return {units: BigInt(whole + decimals.padEnd(marks.decimals, "0"))};
  }

  const isGrouped = (text) => /^[1-9][0-9]{0,2}(?:[.,][0-9]{3})+$/.test(text);

  function parted(plain, marks) {
    const at = Math.max(plain.lastIndexOf("."), plain.lastIndexOf(","));
    if (at < 0) return [plain, ""];
    const mark = plain[at];
    const count = plain.split(mark).length - 1;
    const both = plain.includes(".") && plain.includes(",");
    const isDecimal = both ? count === 1 : count === 1 && (mark === marks.decimal || !isGrouped(plain));
    return isDecimal ? [plain.slice(0, at), plain.slice(at + 1)] : [plain, ""];
  }

  function units(plain, marks) {
    const [whole, decimals = ""] = plain.split(".");
    return BigInt(whole + decimals.padEnd(marks.decimals, "0").slice(0, marks.decimals));
  }

  function written(amount, marks) {
    const digits = amount.toString().padStart(marks.decimals + 1, "0");
    const cut = digits.length - marks.decimals;
    const whole = digits.slice(0, cut).replace(/\B(?=(\d{3})+$)/g, marks.group);
    return marks.before + whole + (marks.decimals ? marks.decimal + digits.slice(cut) : "") + marks.after;
  }

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (slot, name) => values[name] ?? slot);

  // --- the amount on the page ---

  class Amount {
    constructor() {
      this.marks = JSON.parse(said("reading"));
      this.most = units(said("most"), this.marks);
      this.least = units(said("least"), this.marks);
      this.due = units(said("due"), this.marks);
    }

    get isOther() {
      return form().elements.choice.value === "other";
    }

    read() {
      if (!this.isOther) return {units: this.most};
      const found = readAmount(byId("amount").value, this.marks);
      if (found.fault || (found.units >= this.least && found.units <= this.most)) return found;
      return {fault: "range"};
    }

    show() {
      const {units: amount} = this.read();
      const label = byId("pay-button").querySelector("span");
      if (!isBusy) label.textContent = amount === undefined ? said("payThis") : this.#in(said("pay"), amount);
      const summary = byId("summary");
      summary.textContent = amount === undefined ? "" : this.#in(summary.dataset.text, amount);
      if (amount !== undefined) this.mark("");
    }

    // Say what is wrong with the amount where it was typed, or with "" that nothing is.
    mark(fault) {
      const input = byId("amount");
      if (!input) return;
      const range = {least: written(this.least, this.marks), most: written(this.most, this.marks)};
      const field = input.closest(".field");
      let told = byId("amount-fault");
      field.classList.toggle("bad", Boolean(fault));
      if (!fault) {
        told?.remove();
        input.removeAttribute("aria-invalid");
        input.setAttribute("aria-describedby", "amount-hint");
        return;
      }
      if (!told) {
        told = Object.assign(document.createElement("p"), {id: "amount-fault", className: "err"});
        byId("amount-hint").before(told);
      }
      const name = `fault${fault[0].toUpperCase()}${fault.slice(1)}`;
      told.textContent = filled(said(name), {...range, decimals: String(this.marks.decimals)});
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", "amount-fault amount-hint");
    }

    #in(text, amount) {
      return filled(text, {
        amount: written(amount, this.marks), rest: written(this.due - amount, this.marks),
      });
    }
  }

  let isBusy = false;

  function setBusy(busy) {
    isBusy = busy;
    const button = byId("pay-button");
    if (!button) return;
    button.toggleAttribute("aria-disabled", busy);
    if (busy) button.setAttribute("aria-disabled", "true");
    if (busy) button.querySelector("span").textContent = said("processing");
    else amount.show();
  }

  // --- talking to the server ---

  const freshKey = () => crypto.randomUUID().replaceAll("-", "");

  async function post(below, values) {
    const body = new URLSearchParams(form() ? new FormData(form()) : "");
    for (const [name, value] of Object.entries(values)) body.set(name, value);
    // Sent to its end, also when the page is left meanwhile.
    return fetch(`${link}${below}${languageQuery()}`, {method: "POST", body, keepalive: true});
  }

  function languageQuery() {
    const language = new URLSearchParams(location.search).get("lang");
    return language ? `?lang=${encodeURIComponent(language)}` : "";
  }

  // Its own style bears a nonce that is not this page's, and would be complained about.
  async function drawnBy(answer) {
    const text = (await answer.text()).replace(/<style[^>]*>[^<]*<\/style>/g, "");
    return new DOMParser().parseFromString(text, "text/html");
  }

  const isPage = (answer) => (answer.headers.get("content-type") ?? "").startsWith("text/html");

  // The server has drawn the page with what is wrong. All of it is taken but the card form, which would lose what was
  // typed into it.
  async function take(answer) {
    const page = await drawnBy(answer);
    const drawn = page.getElementById("pay-form");
    if (!drawn || !byId("card")) {
      const slip = page.getElementById("pay");
      if (!slip) return location.reload();
      byId("pay").replaceWith(document.adoptNode(slip));
      showButtons();
    } else {
      const kept = childWith(form(), byId("card")), left = childWith(drawn, page.getElementById("card"));
      for (const each of [...form().children]) if (each !== kept) each.remove();
      let isBefore = true;
      for (const each of [...drawn.children]) {
        if (each === left) isBefore = false;
        else if (isBefore) kept.before(document.adoptNode(each));
        else form().append(document.adoptNode(each));
      }
    }
    if (form()) setBusy(false);
    watchNotice();
  }

  const childWith = (parent, inner) => [...parent.children].find((each) => each.contains(inner));

  // --- the gateway's card form ---

  class Card {
    #box = byId("card");
    #attempt = null;
    #opening = null;
    #frame = null;
    #library = null;
    #token = null;
    #awaited = null;

    constructor() {
      const open = Object.assign(document.createElement("button"), {
        type: "button", className: "btn quiet", textContent: said("cardOpen"),
      });
      open.addEventListener("click", () => this.open());
      this.#box.replaceChildren(open);
      addEventListener("message", (event) => this.#hear(event));
    }

    get attempt() {
      return this.#attempt;
    }

    // Open the form for the whole balance, as soon as a person turns to the slip. Opening the page alone, as scanners
    // of mails do, begins nothing.
    async open() {
      if (this.#frame || this.#library) return;
      const hadFocus = this.#box.contains(document.activeElement);
      try {
        await this.#begin({choice: "balance"}, amount.most);
        if (hadFocus) this.#frame?.focus();
      } catch {
        this.#offerAgain();
      }
    }

    // Have a form that is open for that amount, and give what it hands over; null when the payer has to mend something.
    async token(wanted) {
      const isOver = this.#attempt && Date.now() > this.#attempt.endsAt;
      if (!this.#attempt || isOver || this.#attempt.amount !== wanted) {
        const left = this.#attempt;
        if (!(await this.#begin({}, wanted))) return null;
        if (left && !isOver) post(`/attempts/${left.attempt_id}/abandon`, {}).catch(() => {});
      }
      if (this.#token) return this.#token;
      if (!this.#frame) {
        this.#box.scrollIntoView({block: "center"});
        return null;
      }
      this.#send({type: "paydue.submit"});
      const handed = await new Promise((resolve) => {
        this.#awaited = resolve;
        setTimeout(() => resolve(null), TOKEN_WITHIN);
      });
      this.#awaited = null;
      if (!handed) this.#frame.focus();
      return handed;
    }

    // What was handed over pays once, and for one amount.
    forget() {
      this.#token = null;
    }

    end() {
      this.#attempt = null;
      this.#token = null;
    }

    // Begin an attempt; true when there is a form to pay it by.
    async #begin(values, wanted) {
      while (this.#opening) await this.#opening;
      if (this.#attempt && this.#attempt.amount === wanted && Date.now() <= this.#attempt.endsAt) return true;
      this.#opening = this.#ask(values, wanted);
      try {
        return await this.#opening;
      } finally {
        this.#opening = null;
      }
    }

    async #ask(values, wanted) {
      const key = this.#attempt ? freshKey() : form().elements.payer_key.value;
      if (!this.#frame && !this.#library) this.#say(said("cardLoading"));
      const answer = await post("/attempts", {...values, payer_key: key});
      if (isPage(answer)) { await take(answer); return false; }
      const told = await answer.json();
      if (answer.status !== 201) { follow(told); return false; }
      form().elements.payer_key.value = key;
      this.#token = null;
      this.#attempt = {...told, amount: wanted, endsAt: Date.now() + (told.seconds - ALMOST_OVER) * 1000};
      if (told.frame_url) this.#embed(told.frame_url);
      else await this.#load(told);
      return true;
    }

    #embed(url) {
      if (this.#frame) {
        this.#send({type: "paydue.renew", url});
        return;
      }
      const frame = document.createElement("iframe");
      Object.assign(frame, {src: url, title: said("cardTitle"), allow: "payment", referrerPolicy: "no-referrer"});
      frame.height = "220";
      this.#frame = frame;
      this.#box.replaceChildren(frame);
    }

    // A library of the gateway's draws a form of its own, with a button of its own.
    async #load({client_token: session, script_url: url, integrity}) {
      if (!globalThis.VAS) {
        await new Promise((resolve, reject) => {
          const script = document.createElement("script");
          Object.assign(script, {src: url, crossOrigin: "anonymous", onload: resolve, onerror: reject});
          if (integrity) script.integrity = integrity;
          document.head.append(script);
        });
      }
      await this.#library?.destroy();
      const place = Object.assign(document.createElement("div"), {id: "card-library"});
      this.#box.replaceChildren(place);
      const client = await globalThis.VAS.UnifiedCheckout(session);
      const checkout = client.createCheckout();
      this.#library = checkout;
      checkout.mount("#card-library").then((token) => {
        this.#token = token;
        if (this.#library === checkout) form().requestSubmit();
      }, () => this.#offerAgain());
    }

    #send(message) {
      this.#frame.contentWindow.postMessage(message, new URL(this.#frame.src).origin);
    }

    #hear(event) {
      const frame = this.#frame;
      if (!frame || event.source !== frame.contentWindow || event.origin !== new URL(frame.src).origin) return;
      switch (event.data?.type) {
        case "paydue.ready":
          this.#send({type: "paydue.hello"});
          // falls through: it says its height too.
        case "paydue.height":
          if (event.data.height > 0 && event.data.height < 2000) frame.height = String(Math.ceil(event.data.height));
          break;
        case "paydue.enter":
          form().requestSubmit();
          break;
        case "paydue.token":
          // From a form that was not asked: it has a button of its own.
          if (!this.#awaited) { this.#token = event.data.token; form().requestSubmit(); }
          else this.#awaited(event.data.token);
          break;
        case "paydue.fault":
          this.#awaited?.(null);
      }
    }

    #say(text) {
      const status = Object.assign(document.createElement("p"), {className: "hint", textContent: text});
      status.setAttribute("role", "status");
      this.#box.replaceChildren(status);
    }

    #offerAgain() {
      this.#frame = this.#library = this.#attempt = null;
      const again = Object.assign(document.createElement("button"), {
        type: "button", className: "btn quiet", textContent: said("tryAgain"),
      });
      again.addEventListener("click", () => this.open());
      this.#say(said("cardFailed"));
      this.#box.append(again);
    }
  }

  // --- paying ---

  async function pay(card) {
    const found = amount.read();
    if (found.fault) {
      amount.mark(found.fault);
      byId("amount").focus();
      return;
    }
    setBusy(true);
    let isSent = false;
    try {
      const token = await card.token(found.units);
      if (!token || !card.attempt) return setBusy(false);
      const attempt = card.attempt;
      // From here on a reload, or the way back, shows how this payment stands and never an empty form.
      history.replaceState(null, "", attempt.page);
      isSent = true;
      const answer = await post(`/attempts/${attempt.attempt_id}/charge`, {token});
      if (isPage(answer)) {
        history.replaceState(null, "", `${link}?version=v2.1${languageQuery().replace("?", "&")}`);
        return await take(answer);
      }
      card.forget();
      await settle(await answer.json(), attempt);
    } catch {
      if (isSent) await confirm(card.attempt);
      else noticeDown();
    }
  }

  // Go where an attempt's state leads; what the bank asks is asked here.
  async function settle(told, attempt) {
    if (told.challenge_url) return challenge(told.challenge_url, attempt);
    follow(told, attempt);
  }

  function follow(told, attempt) {
    if (told.redirect_url) location.assign(told.redirect_url);
    else if (told.go ?? told.page ?? attempt?.page) location.replace(told.go ?? told.page ?? attempt.page);
    else location.reload();
  }

  async function challenge(url, attempt) {
    const dialog = document.createElement("dialog");
    dialog.className = "bank";
    dialog.setAttribute("aria-labelledby", "bank-title");
    const title = Object.assign(document.createElement("h2"), {id: "bank-title", textContent: said("bankTitle")});
    const frame = Object.assign(document.createElement("iframe"), {
      src: url, title: said("bankTitle"), referrerPolicy: "no-referrer",
    });
    const stop = Object.assign(document.createElement("button"), {
      type: "button", className: "btn quiet", textContent: said("bankStop"),
    });
    dialog.append(title, frame, stop);
    document.body.append(dialog);
    dialog.showModal();
    const how = await new Promise((resolve) => {
      stop.addEventListener("click", () => resolve("abandon"));
      dialog.addEventListener("cancel", (event) => { event.preventDefault(); resolve("abandon"); });
      addEventListener("message", (event) => {
        if (event.source !== frame.contentWindow || event.origin !== new URL(url).origin) return;
        if (event.data?.type === "paydue.challenge") resolve("challenge");
      });
    });
    dialog.close();
    dialog.remove();
    const answer = await post(`/attempts/${attempt.attempt_id}/${how}`, {});
    follow(isPage(answer) ? {} : await answer.json(), attempt);
  }

  // The answer was lost. Whether money moved is not known here, so nobody is asked to pay again.
  async function confirm(attempt) {
    notice(said("confirming"));
    const state = await poll(async () => {
      const answer = await fetch(`${link}/attempts/${attempt.attempt_id}`);
      if (!answer.ok) return null;
      const told = await answer.json();
      return told.state === "confirming" ? null : told;
    });
    if (state?.state === "open") location.replace(link);
    else follow(state ?? {}, attempt);
  }

  // --- waiting ---

  async function poll(ask) {
    const end = Date.now() + POLL_FOR;
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
      try {
        const found = await ask();
        if (found) return found;
      } catch {
        // Offline for a moment, or the server is starting: the next try tells.
      }
    }
    return null;
  }

  // A page that says it updates by itself does, for two minutes; after that its link does.
  async function wait() {
    const heading = document.querySelector("h1")?.textContent;
    const found = await poll(async () => {
      if (attemptId()) {
        const told = await (await fetch(`${link}/attempts/${attemptId()}`)).json();
        if (told.go && told.state !== "in review") return told;
      }
      const page = await drawnBy(await fetch(location.href));
      const isSame = page.querySelector("[data-wait]") && page.querySelector("h1")?.textContent === heading;
      return isSame ? null : {page: location.href};
    });
    if (found) follow(found);
  }

  const attemptId = () => new URLSearchParams(location.search).get("attempt");

  // --- what is said aloud ---

  function notice(text) {
    const box = document.createElement("div");
    box.className = "notice wait";
    box.id = "notice";
    box.tabIndex = -1;
    box.setAttribute("role", "status");
    form().replaceWith(box);
    box.append(Object.assign(document.createElement("p"), {textContent: text}));
    box.focus();
  }

  function noticeDown() {
    setBusy(false);
    byId("notice")?.remove();
    const box = document.createElement("div");
    box.className = "notice bad";
    box.id = "notice";
    box.tabIndex = -1;
    box.setAttribute("role", "alert");
    box.append(Object.assign(document.createElement("p"), {textContent: said("offline")}));
    form().prepend(box);
    box.focus();
  }

  function watchNotice() {
    const isWaiting = document.querySelector("[data-wait]") !== null;
    if (isWaiting) wait();
    else byId("notice")?.focus();
    // Loaded anew in the middle of the bank's question: it is asked again.
    if (asked && attemptId()) challenge(asked.href, {attempt_id: attemptId(), page: location.href});
  }

  // --- what only a script can do: those buttons show once it can ---

  function showButtons() {
    for (const each of document.querySelectorAll("[data-print]")) each.hidden = false;
    // Only where the browser lets a page copy: over https, and on this machine.
    if (navigator.clipboard) for (const each of document.querySelectorAll("[data-copy]")) each.hidden = false;
  }

  addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-print], [data-copy]");
    if (!button) return;
    if ("print" in button.dataset) { print(); return; }
    const word = button.firstElementChild;
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      word.textContent = button.dataset.copied;
      button.setAttribute("aria-live", "polite");
    } catch {
      button.hidden = true;
    }
  });

  // --- begin ---

  let amount = null;
  showButtons();
  watchNotice();
  if (!form() || !byId("pay-button") || byId("pay-button").type !== "submit") return;
  amount = new Amount();
  const way = said("way");
  const card = way === "embedded" ? new Card() : null;

  // Typing and choosing, also in what the server draws anew later.
  addEventListener("input", (event) => {
    if (event.target.id === "amount") form().elements.choice.value = "other";
    if (["amount", "choice"].includes(event.target.name)) amount.show();
  });
  addEventListener("change", (event) => {
    if (event.target.name === "choice") {
      amount.mark("");
      if (amount.isOther) byId("amount").focus();
    } else if (event.target.id === "amount") whenReleased(() => amount.mark(amount.read().fault ?? ""));
  });

  // A line that appears while the button is being pressed would move it away from under the pointer.
  let isPressed = false;
  const released = [];
  const whenReleased = (act) => { if (isPressed) released.push(act); else act(); };
  addEventListener("pointerdown", () => { isPressed = true; }, true);
  for (const kind of ["pointerup", "pointercancel"]) {
    addEventListener(kind, () => {
      isPressed = false;
      setTimeout(() => { for (const act of released.splice(0)) act(); });
    }, true);
  }

  if (card) {
    const slip = byId("pay");
    const turnTo = (event) => { if (event.isTrusted) card.open(); };
    for (const kind of ["pointerover", "pointerdown", "touchstart", "focusin"]) {
      slip.addEventListener(kind, turnTo, {once: true, passive: true});
    }
  }

  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    if (isBusy) { event.preventDefault(); return; }
    if (!card) {
      const {fault} = amount.read();
      if (!fault) { setBusy(true); return; }
      event.preventDefault();
      amount.mark(fault);
      byId("amount").focus();
      return;
    }
    event.preventDefault();
    pay(card);
  });

  // Restored from memory by the way back: what this page knew may be long over.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  amount.show();
})();
