"use strict";
// Switches web push on and off for this browser: fills the form of push_form.html with the browser's subscription and sends it.
(() => {
  const form = document.querySelector("form[data-push]");
  if (!form || !("serviceWorker" in navigator) || !("PushManager" in window)) return;
  const worker = "/desk/static/push-worker.js";
  const on = form.querySelector("[data-push-on]"), off = form.querySelector("[data-push-off]");
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const show = (subscribed) => { form.hidden = false; on.hidden = subscribed; off.hidden = !subscribed; };
  const here = async () => (await navigator.serviceWorker.getRegistration(worker))?.pushManager.getSubscription() ?? null;

  async function subscribe() {
    const { key } = await (await fetch("/desk/push/key")).json();
    const registration = await navigator.serviceWorker.register(worker);
    await new Promise((ready) => { const w = registration.active ?? registration.installing ?? registration.waiting; if (w.state === "activated") ready(); else w.addEventListener("statechange", () => w.state === "activated" && ready()); });
    return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const going = event.submitter === off;
    try {
      const subscription = going ? await here() : await subscribe();
      if (!subscription) return show(false);
      const { endpoint, keys } = subscription.toJSON();
      Object.assign(form.elements.what, { value: going ? "off" : "on" });
      form.elements.endpoint.value = endpoint;
      form.elements.p256dh.value = keys.p256dh;
      form.elements.auth.value = keys.auth;
      if (going) await subscription.unsubscribe();
      form.submit();
    } catch {
      form.querySelector("[data-push-cannot]").hidden = false;
    }
  });
  here().then((subscription) => show(subscription !== null));
})();
