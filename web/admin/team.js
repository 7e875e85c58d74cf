// A team's form: hours begin in the time zone of whoever writes them.

const zone = /** @type {HTMLInputElement} */ (document.getElementById("zone"));

// As the default too: nobody has changed anything yet.
if (!zone.defaultValue) zone.defaultValue = Intl.DateTimeFormat().resolvedOptions().timeZone;
