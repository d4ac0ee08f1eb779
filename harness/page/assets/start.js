"use strict";
// Draws the form of a DAG with JSON Editor, and posts what its user has changed. The server decides whether that is taken.
(() => {
  const form = document.getElementById("start");
  const fields = document.getElementById("fields");
  const button = form.querySelector("button[type=submit]");
  const status = document.getElementById("under-way");
  const refusal = document.getElementById("refusal");
  let editor = null, schema = null;

  async function post(address, body) {
    let answer;
    try {
      answer = await fetch(address, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
    } catch {
      throw { cause: "the page's server did not answer", fix: "look at the runs before you start it again: it may have been started" };
    }
    const found = await answer.json().catch(() => ({ cause: `the page's server has answered ${answer.status}` }));
    if (!answer.ok) throw found;
    return found;
  }

  function refuse(error) {
    if (error.cause === undefined) throw error;
    refusal.querySelector(".lead").textContent = error.cause;
    for (const [selector, text] of [[".next", error.fix], ["pre", error.last_seen]]) {
      const element = refusal.querySelector(selector);
      element.textContent = text || "";
      element.hidden = !text;
    }
    refusal.hidden = false;
    refusal.focus();
  }

  const empty = (value) => value === undefined || value === null || value === "" ||
    (Array.isArray(value) && !value.length) || (typeof value === "object" && !Object.keys(value).length);
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  /** What differs from what the form begins with: the rest gets its default on the server, as on the platform. */
  function changed(part, values) {
    const found = {};
    for (const [name, drawn] of Object.entries(part.properties || {})) {
      const value = (values || {})[name];
      if (drawn.choice) {
        if (value && value !== drawn.default) found[name] = JSON.parse(value);
        continue;
      }
      if (drawn.type === "object" && drawn.default === undefined && Object.keys(drawn.properties).length) {
        const inner = changed(drawn, value);
        if (!empty(inner)) found[name] = inner;
      } else if (drawn.default === undefined ? !empty(value) : !same(value, drawn.default)) {
        found[name] = value === undefined ? null : value;
      }
    }
    return found;
  }

  async function draw() {
    const drawn = await post("/forms", { dag_id: form.dataset.dag });
    schema = drawn.schema;
    document.getElementById("input").hidden = !drawn.takes_input;
    const documentation = document.getElementById("documentation");
    documentation.textContent = drawn.documentation;
    documentation.hidden = !drawn.documentation;
    fields.textContent = "";
    if (Object.keys(schema.properties).length) {
      editor = new JSONEditor(fields, {
        schema, theme: "html", ajax: false, show_errors: "never", no_additional_properties: true,
        disable_collapse: true, disable_edit_json: true, disable_properties: true, disable_array_reorder: true,
        prompt_before_delete: false, use_default_values: false, form_name_root: "form",
      });
      await editor.promise;
    } else {
      fields.append(Object.assign(document.createElement("p"), { className: "muted", textContent: "Its form has no field." }));
    }
    button.disabled = false;
    form.removeAttribute("aria-busy");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    refusal.hidden = true;
    button.disabled = true;
    status.textContent = "starting ...";
    try {
      const entered = new FormData(form);
      const started = await post("/runs", {
        dag_id: form.dataset.dag,
        form: changed(schema, editor ? editor.getValue() : {}),
        sample: String(entered.get("sample") || ""),
        folder: String(entered.get("folder") || "").trim(),
      });
      location.assign(started.address);
    } catch (error) {
      refuse(error);
    } finally {
      button.disabled = false;
      status.textContent = "";
    }
  });

  draw().catch((error) => { fields.textContent = ""; form.removeAttribute("aria-busy"); refuse(error); });
})();
