"use strict";
// The page is whole without this: it makes tables sortable and filterable, and commands easy to copy.
(() => {
  const PAGE = 500; // rows that are laid out at a time; style.css and page.html say the same number
  const FEW = 4; // rows that need no filter
  const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const live = document.getElementById("live");
  const count = new Intl.NumberFormat("en").format;

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // What a cell counts as: a number or words; null where there is nothing, which comes last in both directions.
  function worth(cell) {
    const text = cell.querySelector("data")?.value ?? cell.textContent.trim();
    if (text === "" || text === "–") return null;
    return Number.isNaN(Number(text)) ? text : Number(text);
  }

  class SortableTable {
    constructor(table) {
      this.table = table;
      this.frame = table.parentElement;
      this.label = this.frame.getAttribute("aria-label");
      this.body = table.tBodies[0];
      this.heads = [...table.tHead.rows[0].cells];
      this.rows = [...this.body.rows];
      this.texts = null;
      this.order = this.rows;
      this.sorted = { column: -1, direction: 0 };
      this.page = 0;
      this.selects = [];
      this.heads.forEach((head, column) => this.addButton(head, column));
      if (this.rows.length > FEW) this.addControls();
      if (this.rows.length > PAGE) this.addPager();
      this.draw();
      this.frame.classList.remove("paged");
    }

    addButton(head, column) {
      const button = element("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => this.sort(column));
      head.append(button);
    }

    addControls() {
      const plain = { autocomplete: "off", spellcheck: false };
      this.input = element("input", { type: "search", placeholder: "Filter rows", ...plain });
      this.input.setAttribute("aria-label", `Filter the rows of ${this.label}`);
      this.counter = element("p", { className: "count" });
      this.counter.setAttribute("role", "status");
      this.clear = element("button", { type: "button", textContent: "Clear", hidden: true });
      const chosen = (this.frame.dataset.choose ?? "").split(" ");
      this.heads.forEach((head, column) => chosen.includes(head.textContent) && this.addSelect(head, column));
      const labels = this.selects.map(({ label }) => label);
      const controls = element("div", { className: "controls" }, this.input, ...labels, this.clear, this.counter);
      controls.addEventListener("input", () => this.filter());
      controls.addEventListener("keydown", (event) => event.key === "Escape" && this.reset(event));
      this.clear.addEventListener("click", (event) => this.reset(event));
      this.frame.before(controls);
    }

    addSelect(head, column) {
      const values = [...new Set(this.rows.map((row) => row.cells[column].textContent))].sort(compare);
      if (values.length < 2) return; // nothing to choose from
      const options = values.map((value) => element("option", { value, textContent: value }));
      const select = element("select", {}, element("option", { value: "", textContent: "all" }), ...options);
      this.selects.push({ column, select, label: element("label", {}, head.textContent, select) });
    }

    addPager() {
      const step = (by) => () => {
        this.page += by;
        this.draw();
        this.frame.scrollTop = 0;
      };
      this.before = element("button", { type: "button", textContent: "Previous" });
      this.after = element("button", { type: "button", textContent: "Next" });
      this.before.addEventListener("click", step(-1));
      this.after.addEventListener("click", step(1));
      this.range = element("span", {});
      this.range.setAttribute("role", "status");
      const pager = element("div", { className: "pager" }, this.before, this.after, this.range);
      this.frame.after(pager);
    }

    // Ascending, then descending, then as it was.
    sort(column) {
      const direction = this.sorted.column === column ? { 0: 1, 1: -1, [-1]: 0 }[this.sorted.direction] : 1;
      this.sorted = { column, direction };
      const keys = new Map(this.rows.map((row) => [row, worth(row.cells[column])]));
      const numeric = ![...keys.values()].some((key) => typeof key === "string");
      const by = (one, other) => {
        const [a, b] = [keys.get(one), keys.get(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        return direction * (numeric ? a - b : compare(String(a), String(b)));
      };
      this.order = direction ? [...this.rows].sort(by) : this.rows;
      this.page = 0;
      this.mark();
      this.draw();
    }

    mark() {
      const { column, direction } = this.sorted;
      const word = { 1: "ascending", [-1]: "descending" }[direction];
      for (const head of this.heads) head.removeAttribute("aria-sort");
      if (word) this.heads[column].setAttribute("aria-sort", word);
      this.table.toggleAttribute("data-sorted", Boolean(word));
      const how = word ? `sorted by ${this.heads[column].textContent}, ${word}` : "in the original order";
      live.textContent = `${this.label}: ${how}`;
    }

    filter() {
      this.page = 0;
      this.draw();
    }

    reset(event) {
      event.preventDefault();
      this.input.value = "";
      for (const { select } of this.selects) select.value = "";
      this.filter();
      if (event.currentTarget === this.clear) this.input.focus(); // the button is gone
    }

    // The rows that every word, and every choice, is in.
    matching() {
      const words = this.input ? this.input.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
      const chosen = this.selects.filter(({ select }) => select.selectedIndex > 0);
      if (this.input) this.clear.hidden = !words.length && !chosen.length;
      if (!words.length && !chosen.length) return this.order;
      this.texts ??= new Map(this.rows.map((row) => [row, this.textOf(row)]));
      return this.order.filter((row) =>
        words.every((word) => this.texts.get(row).includes(word)) &&
        chosen.every(({ column, select }) => row.cells[column].textContent === select.value));
    }

    textOf(row) {
      return [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase();
    }

    draw() {
      const rows = this.matching();
      const first = this.page * PAGE;
      const shown = rows.slice(first, first + PAGE);
      this.body.replaceChildren(...shown);
      if (this.counter) this.counter.textContent = `${count(rows.length)} of ${count(this.rows.length)} rows`;
      if (!this.range) return;
      const end = first + shown.length;
      const range = `Rows ${count(first + 1)}–${count(end)} of ${count(rows.length)}`;
      this.range.textContent = rows.length ? range : "No rows";
      this.before.disabled = this.page === 0;
      this.after.disabled = end >= rows.length;
    }
  }

  function addCopying(block) {
    const button = element("button", { type: "button", textContent: "Copy" });
    button.setAttribute("aria-label", "Copy these commands");
    const say = (word) => {
      button.textContent = word;
      live.textContent = word;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(block.textContent).then(() => say("Copied"), () => say("Not copied"));
    });
    block.after(button);
  }

  // Contents are open beside the page, and folded above it.
  function foldContents() {
    const contents = document.querySelector("nav details");
    const wide = matchMedia("(min-width: 64rem)");
    const settle = () => { contents.open = wide.matches; };
    wide.addEventListener("change", settle);
    settle();
  }

  // Paper shows what is folded away on the screen.
  function unfoldOnPaper() {
    const opened = new Set();
    const open = () => document.querySelectorAll("main details:not([open])").forEach((one) => {
      one.open = true;
      opened.add(one);
    });
    const close = () => {
      opened.forEach((one) => { one.open = false; });
      opened.clear();
    };
    addEventListener("beforeprint", open);
    addEventListener("afterprint", close);
    matchMedia("print").addEventListener("change", (event) => (event.matches ? open() : close()));
  }

  document.querySelectorAll(".scroll > table").forEach((table) => new SortableTable(table));
  if (navigator.clipboard) document.querySelectorAll(".command > pre").forEach(addCopying);
  foldContents();
  unfoldOnPaper();
})();
