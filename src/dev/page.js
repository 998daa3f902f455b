(() => {
  const id = document.documentElement.dataset.failure;
  const again = () => {
    if (document.documentElement.dataset.method === "GET") location.reload();
    // With the fragment it would be a step within this page.
    else location.replace(location.href.split("#")[0]);
  };
  const ask = async () => {
    try {
      // Held until this failure is over, by whoever answers with it.
      const answer = await fetch(location.href, {
        method: "HEAD", cache: "no-store", credentials: "same-origin", redirect: "manual",
        headers: { "X-Monopod-Failure": id },
      });
      if (answer.headers.get("X-Monopod-Failure") !== id) return again();
      setTimeout(ask, 100);
    } catch {
      setTimeout(ask, 1000);
    }
  };
  ask();
})();
