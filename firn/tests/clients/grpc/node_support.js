// What node_client.js needs besides the library.
'use strict';

const readline = require('readline');

const sleep = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const topicOf = (feature) => `t-${feature.replaceAll('_', '-')}`;
const groupOf = (feature) => `g-${feature.replaceAll('_', '-')}`;
const sorted = (texts) => [...texts].sort().join();
const text = (message) => message.body.toString();

function check(condition, why) {
  if (!condition) throw new Error(typeof why === 'string' ? why : JSON.stringify(why));
}

async function until(condition) {
  while (!condition()) await sleep(20);
}

// Refused with the code, which some errors have inside of others.
async function refused(code, work) {
  try {
    await work();
  } catch (error) {
    let cause = error;
    while (cause.cause) cause = cause.cause;
    check(cause.code === code && cause.message, `${cause}, not ${code}`);
    return;
  }
  throw new Error(`it was not refused with ${code}`);
}

// The server ends, and serves the same addresses again.
async function restart() {
  const lines = readline.createInterface({ input: process.stdin });
  console.log('restart');
  for await (const line of lines) if (line === 'restarted') return;
}

function within(ms, work) {
  const late = sleep(ms).then(() => { throw new Error(`not done within ${ms} ms`); });
  return Promise.race([work, late]);
}

module.exports = { check, groupOf, refused, restart, sleep, sorted, text, topicOf, until, within };
