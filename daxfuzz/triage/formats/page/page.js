"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const grid = document.getElementById("grid");
  const byId = (id) => document.getElementById(id);
  const names = Object.keys(data.tasks);
  const moments = history();
  let at = 0;

  // An element with children; what is null among them is left out.
  function made(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // The state after each step: values and tasks, with what was there before.
  function history() {
    let state = data.state, tasks = data.tasks;
    return data.steps.map((step) => {
      const before = { state, tasks };
      state = { ...state, ...step.state };
      tasks = { ...tasks };
      for (const [name, different] of Object.entries(step.tasks)) tasks[name] = { ...tasks[name], ...different };
      return { state, tasks, before };
    });
  }

  function element(position) {
    return grid.querySelector(`.step[data-turn="${data.steps[position].turn}"]`);
  }

  function hidden(position) {
    return grid.classList.contains("only") && element(position).classList.contains("quiet");
  }

  function show(position, scroll) {
    element(at).classList.remove("now");
    at = Math.max(0, Math.min(position, data.steps.length - 1));
    const step = data.steps[at];
    element(at).classList.add("now");
    if (scroll) element(at).querySelector(".row").scrollIntoView({ block: "nearest" });
    byId("where").textContent = `step ${step.turn} of ${data.steps[data.steps.length - 1].turn}`;
    showStep(step);
    showSource(step.stack, step.stack.length - 1);
    showTasks(step);
    showState(step);
    showConstraints(step);
    // Not before the reader has gone somewhere: the browser would scroll there.
    if (scroll !== null) window.history.replaceState(null, "", `#step-${step.turn}`);
  }

  function showStep(step) {
    const value = step.value ? ` = ${step.value}` : "";
    const text = step.access === "call" ? step.call : `${step.function}: ${step.access} ${step.object}${value}`;
    const others = names.map((name, number) => [name, step.clock[number]]).filter(([name, count]) => count && name !== step.task);
    const clock = others.map(([name, count]) => `${count} of ${name}`).join(" and ");
    byId("now").replaceChildren(
      made("div", { class: "what" }, made("span", { class: `who t${names.indexOf(step.task) % 8}` }, step.task), " ", text),
      made("div", { class: "kernel" }, `${step.label}`),
      ...step.changed.map((change) => made("div", { class: "change" }, change)),
      clock ? made("div", { class: "kernel", title: "By its vector clock: any earlier, and it would have found something else" }, `after steps: ${clock}`) : "",
      ...step.constraints.map((number) => made("div", { class: "why" }, `constraint ${number}`)),
    );
  }

  function showSource(stack, depth) {
    const section = byId("source");
    if (!stack.length) return section.replaceChildren();
    const place = data.places[stack[depth]];
    const source = data.sources[place.source];
    const lines = !source ? [] : source.text.split("\n").map((text, number) => {
      const line = source.line + number;
      return made("span", line === place.line ? { class: "here" } : {}, made("i", {}, `${line}`), text);
    });
    const buttons = stack.map((number, position) => {
      const button = made("button", { type: "button", title: `${data.places[number].file}:${data.places[number].line}` }, data.places[number].function);
      if (position === depth) button.classList.add("here");
      button.addEventListener("click", () => showSource(stack, position));
      return made("li", {}, button);
    });
    const pre = made("pre", {}, ...lines);
    section.replaceChildren(
      made("h2", {}, "Model"),
      made("a", { href: `${place.file}#L${place.line}` }, `${place.file}:${place.line}`),
      made("ul", { class: "stack" }, ...buttons),
      ...(lines.length ? [pre] : []),
    );
    const here = pre.querySelector(".here");
    if (here) pre.scrollTop = here.offsetTop - pre.offsetTop - pre.clientHeight / 2;
  }

  function showTasks(step) {
    const tasks = moments[at].tasks;
    byId("tasks").replaceChildren(made("h2", {}, "Tasks"), ...names.map((name, number) => {
      const task = tasks[name];
      const inside = task.stack.length ? data.places[task.stack[task.stack.length - 1]].function : "";
      const verbs = { asleep: "sleeps on", blocked: "waits for" };
      const by = task.blocked_by.length ? `, held by ${task.blocked_by.join(" and ")}` : "";
      const holds = task.holds.map((hold) => `${hold.lock}${hold.write ? "" : " (read)"}`).join(", ");
      const state = task.waits_for ? `${verbs[task.state]} ${task.waits_for}${by}` : task.state;
      const fresh = name in step.tasks && task.state !== moments[at].before.tasks[name].state ? " fresh" : "";
      return made("div", { class: `task t${number % 8}${fresh}`, "data-task": name },
        made("span", { class: "who" }, name), " ", made("span", { class: "state" }, state),
        made("div", { class: "what" }, [task.call, inside].filter((text) => text).join(" › ")),
        task.next && !task.waits_for ? made("div", { class: "what" }, `next: ${task.next}`) : null,
        holds ? made("div", { class: "what" }, `holds ${holds}`) : null);
    }));
  }

  function showState(step) {
    const { state, before } = moments[at];
    const groups = new Map();
    for (const [name, value] of Object.entries(state)) {
      const fresh = name in step.state;
      if (value === null && !fresh) continue;
      const group = data.groups[name];
      const old = before.state[name];
      const text = value === null ? "gone" : value;
      const cell = fresh && old !== undefined && old !== null
        ? made("td", {}, made("del", {}, old), " → ", text) : made("td", {}, text);
      const touched = data.objects[name] === step.object ? " touched" : "";
      const row = made("tr", { class: `${fresh ? "fresh" : ""}${touched}`, "data-name": name },
        made("th", { scope: "row" }, name.startsWith(group) ? name.slice(group.length + 1) : name), cell);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(row);
    }
    const last = ["locks", "wait queues", "processors", "others"];
    const rank = (group) => group.startsWith("page") ? -2 : last.indexOf(group);
    const order = [...groups.keys()].sort((one, other) => rank(one) - rank(other));
    byId("state").replaceChildren(made("h2", {}, `State after step ${step.turn}`), ...order.map((group) =>
      made("table", {}, made("caption", {}, group), made("tbody", {}, ...groups.get(group)))));
  }

  function showConstraints(step) {
    data.order.forEach(([before, after], number) => {
      const item = document.querySelector(`[data-constraint="${number + 1}"]`);
      const done = before !== null && before <= step.turn;
      item.classList.toggle("done", done);
      item.classList.toggle("due", step.turn === before || step.turn === after);
      item.querySelector(".kept").textContent = done ? "✓ kept" : "";
    });
  }

  function move(by) {
    let to = at + by;
    while (to >= 0 && to < data.steps.length && hidden(to)) to += by;
    if (to >= 0 && to < data.steps.length) show(to, true);
  }

  // The first step of the next run of a task, or of the one before.
  function toSwitch(by) {
    const begins = (position) => position === 0 || data.steps[position - 1].task !== data.steps[position].task;
    let to = at + by;
    while (to > 0 && to < data.steps.length && !begins(to)) to += by;
    if (to >= 0 && to < data.steps.length) show(to, true);
  }

  function toggleQuiet() {
    const only = grid.classList.toggle("only");
    byId("only").setAttribute("aria-pressed", `${only}`);
    if (hidden(at)) move(1);
    if (hidden(at)) move(-1);
    show(at, true);
  }

  function byHash() {
    const turn = Number(/^#step-(\d+)$/.exec(location.hash)?.[1] ?? NaN);
    return data.steps.findIndex((step) => step.turn === turn);
  }

  const actions = {
    on: () => move(1), back: () => move(-1), first: () => show(0, true), last: () => show(data.steps.length - 1, true),
    next: () => toSwitch(1), previous: () => toSwitch(-1), quiet: toggleQuiet,
  };
  const keys = {
    ArrowRight: "on", ArrowDown: "on", j: "on", ArrowLeft: "back", ArrowUp: "back", k: "back",
    Home: "first", End: "last", "]": "next", "[": "previous", s: "quiet",
  };
  if (!data.steps.length) return;
  document.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[action]();
  });
  grid.addEventListener("click", (event) => {
    const step = event.target.closest(".step");
    if (step && !event.target.closest("a")) show(data.steps.findIndex((each) => each.turn === Number(step.dataset.turn)), false);
  });
  document.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", actions[button.dataset.go]));
  byId("only").addEventListener("click", toggleQuiet);
  window.addEventListener("hashchange", () => { if (byHash() >= 0) show(byHash(), true); });
  show(Math.max(byHash(), 0), byHash() >= 0 || null);
})();
