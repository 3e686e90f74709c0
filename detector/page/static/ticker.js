// The timers of a tab that nobody sees run once a minute; those of a worker go on, and with them the alarm that all is cut off.
setInterval(() => postMessage(null), 500);
