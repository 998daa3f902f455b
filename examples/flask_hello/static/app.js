"use strict";

const { itemsUrl, streamUrl } = document.body.dataset;
const list = document.querySelector("#items");
const form = document.querySelector("#new-item");
const error = document.querySelector("#error");
const start = document.querySelector("#start");
const ticks = document.querySelector("#ticks");

/** Call the API; throws an Error whose message can be shown to the reader. */
async function api(url, options = {}) {
  const response = await fetch(url, options);
  if (response.status === 204) return null;
  const body = await response.json();
  if (!response.ok) {
    const { message, fields = {} } = body.error;
    const details = Object.entries(fields).map(([name, why]) => `${name} ${why}`);
    throw new Error([message, ...details].join(" "));
  }
  return body;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function row(item) {
  const li = document.createElement("li");
  const remove = element("button", "quiet", "Remove");
  remove.setAttribute("aria-label", `Remove ${item.name}`);
  remove.addEventListener("click", () =>
    attempt(() => api(`${itemsUrl}/${item.id}`, { method: "DELETE" })),
  );
  li.append(element("span", "name", item.name), element("span", "quantity", `× ${item.quantity}`), remove);
  return li;
}

async function refresh() {
  const { items } = await api(itemsUrl);
  list.replaceChildren(...items.map(row));
}

/** Do something, then show the list as it is now, or what went wrong. */
async function attempt(action) {
  error.hidden = true;
  try {
    await action();
    await refresh();
    return true;
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
    return false;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const item = { name: form.elements.name.value, quantity: form.elements.quantity.valueAsNumber };
  const created = await attempt(() =>
    api(itemsUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(item),
    }),
  );
  if (created) form.reset();
});

start.addEventListener("click", async () => {
  start.disabled = true;
  ticks.textContent = "";
  try {
    const response = await fetch(`${streamUrl}?n=6&delay=0.3`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      ticks.textContent += part.value;
    }
  } catch (problem) {
    ticks.textContent += `The stream broke: ${problem.message}\n`;
  } finally {
    start.disabled = false;
  }
});

attempt(async () => {});
