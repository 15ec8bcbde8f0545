// The reference works without this file. It adds a search, the place in the navigation, and buttons that copy examples.
"use strict";

const links = [...document.querySelectorAll("nav .operations a")];
const parts = [...document.querySelectorAll(".part, .group-head")];

function addSearch() {
  const form = document.querySelector(".search");
  const field = form.querySelector("input");
  const found = document.querySelector(".found");
  const operations = links.map((link) => {
    const target = document.getElementById(link.hash.slice(1));
    return { link, target, text: (link.textContent + " " + target.textContent).toLowerCase() };
  });
  const others = parts.filter((part) => !operations.some(({ target }) => target === part));

  function filter() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { link, target, text } of operations) {
      const fits = words.every((word) => text.includes(word));
      count += fits;
      link.parentElement.hidden = target.hidden = !fits;
    }
    for (const part of others) part.hidden = words.length > 0 && !words.every((word) => part.textContent.toLowerCase().includes(word));
    for (const list of document.querySelectorAll("nav .operations")) {
      const isEmpty = ![...list.children].some((item) => !item.hidden);
      list.hidden = list.previousElementSibling.hidden = isEmpty;
    }
    found.textContent = words.length ? (count === 1 ? "1 call" : `${count} calls`) : "";
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== field && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
    }
  });
  // Whoever follows a link wants to see its target, whatever was searched for.
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.closest("[hidden]")) {
      field.value = "";
      filter();
      target.scrollIntoView();
    }
  });
}

function showPlace() {
  const all = [...document.querySelectorAll("nav li a")];
  const byId = new Map(all.map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver(
    (entries) => {
      const entry = entries.find((each) => each.isIntersecting && byId.has(each.target.id));
      if (!entry) return;
      for (const link of all) link.removeAttribute("aria-current");
      const current = byId.get(entry.target.id);
      current.setAttribute("aria-current", "true");
      const side = document.querySelector(".side");
      if (side.scrollHeight > side.clientHeight) {
        const place = current.getBoundingClientRect();
        if (place.top < 60 || place.bottom > innerHeight - 20) side.scrollTop += place.top - innerHeight / 2;
      }
    },
    { rootMargin: "-20% 0px -75% 0px" },
  );
  for (const part of parts) observer.observe(part);
}

function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const sample of document.querySelectorAll(".sample")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(sample.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    sample.querySelector("h4").append(button);
  }
}

addSearch();
showPlace();
addCopyButtons();
