"use strict";
// The report's page: a slider over sigma, and what lies over the tiles. Plain JavaScript, no network.
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const slider = by("sigma");
  const state = { sigma: 0, draw: 0, flicker: false, moves: false, outlines: false, intermediate: false };
  // Whether the source is shown: while a tile or a key is held, and in every other phase of a flicker.
  const shown = { held: false, phase: false };
  const FLICKER_MS = 600;

  function picture(parent, kind, source) {
    const image = document.createElement("img");
    image.className = kind;
    image.alt = "";
    image.draggable = false;
    if (source) { image.src = source; }
    parent.append(image);
    return image;
  }

  // One tile: the source on the left, a variant on the right, a layer for outlines and one for moves over it.
  function hang(tile) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = tile.key;
    const pair = document.createElement("div");
    pair.className = "pair";
    const left = document.createElement("div");
    const right = document.createElement("div");
    right.className = "shown";
    pair.append(left, right);
    figure.append(caption, pair);
    by("tiles").append(figure);
    picture(left, "source", tile.source).alt = "Tile " + tile.key;
    const outlines = tile.outline ? [picture(left, "over outline", tile.outline)] : [];
    const variant = picture(right, "variant");
    if (tile.outline) { outlines.push(picture(right, "over outline", tile.outline)); }
    const moves = picture(right, "over moves");
    listen(right);
    return { tile, variant, moves, outlines };
  }

  function listen(element) {
    element.addEventListener("pointerdown", () => hold(true));
    for (const name of ["pointerup", "pointerleave", "pointercancel"]) {
      element.addEventListener(name, (event) => { if (event.buttons || name !== "pointerleave") { hold(false); } });
    }
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  function hold(on) {
    if (shown.held === on) { return; }
    shown.held = on;
    paint();
  }

  const hung = data.tiles.map(hang);

  // Sigma 0 has one draw, the reconstruction without noise.
  function shot(tile) {
    const draws = tile.shots[state.sigma];
    return draws[Math.min(state.draw, draws.length - 1)];
  }

  function assign(image, source) {
    if (image.getAttribute("src") !== source) { image.src = source; }
  }

  function named(source, here) {
    if (source) { return "Its source"; }
    return state.intermediate ? "Its translation to " + data.reference : "Variant at sigma " + here.sigma;
  }

  // The pictures alone: a flicker says nothing anew.
  function paint() {
    const here = data.sigmas[state.sigma];
    const source = shown.held || shown.phase;
    for (const { tile, variant, moves, outlines } of hung) {
      const [made, moved] = shot(tile);
      const own = state.intermediate ? tile.intermediate : made;
      assign(variant, source ? tile.source : own);
      variant.alt = named(source, here);
      assign(moves, moved);
      moves.hidden = !state.moves || source || state.intermediate;
      for (const outline of outlines) { outline.hidden = !state.outlines; }
    }
  }

  function render() {
    paint();
    say(data.sigmas[state.sigma]);
  }

  function say(here) {
    by("value").textContent = here.sigma;
    slider.value = state.sigma;
    slider.setAttribute("aria-valuetext", "sigma " + here.sigma);
    const draws = data.tiles[0].shots[state.sigma].length;
    by("number").textContent = Math.min(state.draw, draws - 1) + 1 + " of " + draws;
    const said = by("said");
    if (said.dataset.sigma !== String(here.sigma)) { write(said, here); }
    for (const name of ["flicker", "moves", "outlines", "intermediate"]) {
      by(name).setAttribute("aria-pressed", String(state[name]));
    }
    by("legend").hidden = !state.moves || state.intermediate;
    by("moves").disabled = state.intermediate;
    by("typed").textContent = data.command.replace("--eps EPS", "--eps " + here.sigma);
    if (take) { take.disabled = here.sigma === 0; }
    if (here.sigma === 0) { offer(false); }
  }

  function write(said, here) {
    said.dataset.sigma = here.sigma;
    said.textContent = here.text;
    if (!here.broken) { return; }
    const beyond = document.createElement("span");
    beyond.className = "beyond";
    beyond.textContent = " Beyond the bounds: " + here.broken + ".";
    said.append(beyond);
  }

  // No eps is offered with a pair that should not be used: then the button is not there.
  const take = by("take");

  function offer(on) {
    by("command").hidden = !on;
    by("copy").textContent = "Copy";
    if (take) { take.setAttribute("aria-expanded", String(on)); }
  }

  let timer = 0;

  function toggle(name) {
    if (by(name).disabled) { return; }
    state[name] = !state[name];
    if (name === "flicker") {
      clearInterval(timer);
      shown.phase = false;
      if (state.flicker) { timer = setInterval(() => { shown.phase = !shown.phase; paint(); }, FLICKER_MS); }
    }
    render();
  }

  function nextDraw() {
    const draws = data.tiles[0].shots[state.sigma].length;
    state.draw = (Math.min(state.draw, draws - 1) + 1) % draws;
    render();
  }

  function move(step) {
    state.sigma = Math.max(0, Math.min(data.sigmas.length - 1, step));
    render();
  }

  function copy() {
    const text = by("typed").textContent;
    const done = () => { by("copy").textContent = "Copied"; };
    // A page that is opened from a file may have no clipboard: then the command is selected, to be copied by hand.
    const select = () => { window.getSelection().selectAllChildren(by("typed")); };
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, select); } else { select(); }
  }

  const KEYS = { f: "flicker", m: "moves", o: "outlines", a: "intermediate" };

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    const key = event.key.toLowerCase();
    if (!event.repeat && KEYS[key]) { toggle(KEYS[key]); }
    if (!event.repeat && key === "d") { nextDraw(); }
    if (key === "s") { hold(true); }
    if (event.target === slider) { return; }  // it moves by itself
    if (key === "arrowright") { move(state.sigma + 1); }
    if (key === "arrowleft") { move(state.sigma - 1); }
  }

  slider.max = data.sigmas.length - 1;
  data.sigmas.forEach((here, step) => {
    const option = document.createElement("option");
    option.value = step;
    by("steps").append(option);
  });
  slider.addEventListener("input", () => move(Number(slider.value)));
  for (const name of Object.values(KEYS)) { by(name).addEventListener("click", () => toggle(name)); }
  by("draw").addEventListener("click", nextDraw);
  if (take) { take.addEventListener("click", () => offer(by("command").hidden)); }
  by("copy").addEventListener("click", copy);
  document.addEventListener("keydown", press);
  document.addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() === "s") { hold(false); }
  });
  window.addEventListener("blur", () => hold(false));

  // Begin at the eps that was chosen, or in the middle.
  const chosen = data.sigmas.findIndex((here) => here.sigma === data.eps);
  move(chosen >= 0 ? chosen : Math.floor(data.sigmas.length / 2));
})();
