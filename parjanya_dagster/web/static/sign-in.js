// A sign-in link carries the token after '#', which is never sent to a server nor written to its logs.
"use strict";
const carried = new URLSearchParams(location.hash.slice(1)).get("token");
if (carried) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = carried;
  document.getElementById("sign-in").submit();
}
