"use strict";
// Shows the line that the case system sends: no person, no place, no time. One notice is one notification, however often it comes.
self.addEventListener("push", (event) => {
  let said = {};
  try { said = event.data?.json() ?? {}; } catch { /* what cannot be read still wakes */ }
  const options = { body: said.body ?? "", tag: said.tag, icon: "/desk/static/icon.png", requireInteraction: Boolean(said.rings) };
  if (said.tag) options.renotify = Boolean(said.rings);
  options.vibrate = said.quiet ? [80] : said.rings ? [400, 150, 400, 150, 400] : [150];
  event.waitUntil(self.registration.showNotification(said.title ?? "LEAD Field", options));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const desk = pages.find((page) => new URL(page.url).pathname.startsWith("/desk"));
    return desk ? desk.focus() : self.clients.openWindow("/desk");
  })());
});
