// SPDX-License-Identifier: Apache-2.0
// What the soak's clients do: submit a task, act on it by chance, follow its stream with interruptions. They know that any
// connection may die at any moment (a worker was killed) and try again; they never forgive a gap, a repeat, or a task that
// does not end.
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const TERMINAL = ['completed', 'failed', 'cancelled', 'rejected'];
const GIVE_UP_MS = 60_000;
export const isTerminal = (status) => TERMINAL.includes(status);

/** Reproducible chance (mulberry32); each actor has its own, so that none depends on the others' pace. */
export function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), one: (list) => list[Math.floor(next() * list.length)], odds: (p) => next() < p };
}

/** One request on a connection of its own, so that any worker may get it. Rejects when the connection dies. */
export function ask(port, method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const more = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const request = http.request({ port, host: '127.0.0.1', method, path, agent: false, timeout: GIVE_UP_MS, headers: { ...more, ...headers } }, (answer) => {
      let got = '';
      answer.setEncoding('utf8').on('data', (d) => { got += d; }).on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: got ? JSON.parse(got) : undefined }));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path} within ${GIVE_UP_MS} ms`)));
    request.on('error', reject).end(text);
  });
}

export class Client {
  /** world: {port, counts, violation, note(text), fail(text)}: both keep what is wrong, the second also throws. */
  constructor(world, seed) {
    Object.assign(this, { world, dice: chance(seed) });
  }

  count(what) { this.world.counts[what] = (this.world.counts[what] ?? 0) + 1; }

  /** Until there is an answer other than "try again later". */
  async insist(method, path, body, headers) {
    for (const end = performance.now() + GIVE_UP_MS; ;) {
      const answer = await ask(this.world.port, method, path, body, headers).catch((e) => ({ status: 0, body: e.message }));
      if (this.world.violation) throw new Error('another client found a violation');
      if (answer.status !== 0 && answer.status !== 503) return answer;
      if (performance.now() > end) this.world.fail(`${method} ${path} was not answered for ${GIVE_UP_MS} ms: ${JSON.stringify(answer.body)}`);
      this.count(answer.status === 0 ? 'connections lost' : 'told to wait');
      await pause(20 + this.dice.below(80));
    }
  }

  /** The document once its status is one of those, or terminal; null when the task was evicted. */
  async until(id, ...statuses) {
    let tag = '"none"', since = performance.now();
    for (;;) {
      const answer = await this.insist('GET', `/v1/tasks/${id}?wait=5s`, undefined, { 'if-none-match': tag });
      if (answer.status === 404) return null;
      if (answer.status === 200) {
        if (answer.headers.etag !== tag) since = performance.now();
        tag = answer.headers.etag;
        if (statuses.includes(answer.body.status) || isTerminal(answer.body.status)) return answer.body;
      } else if (answer.status !== 304) this.world.fail(`GET of task ${id}: ${answer.status} ${JSON.stringify(answer.body)}`);
      if (performance.now() - since > GIVE_UP_MS) this.world.fail(`task ${id} has not changed for ${GIVE_UP_MS} ms: ${JSON.stringify(answer.body ?? tag)}`);
    }
  }

  /** Follows the stream to its end, coming back whenever it is cut, by others or by this client's own whim. All kept events. */
  async follow(id) {
    const seen = [];
    for (const end = performance.now() + 4 * GIVE_UP_MS; ;) {
      const how = await this.#listen(id, seen).catch(() => 'cut');
      if (this.world.violation) throw new Error('another client found a violation');
      if (how !== 'cut') return how === 'gone' ? null : seen;
      if (performance.now() > end) this.world.fail(`the stream of task ${id} never ended; its last event was ${seen.length}`);
      this.count('streams resumed');
      await pause(this.dice.below(50));
    }
  }

  #listen(id, seen) {
    const byHeader = this.dice.odds(0.5), leaveAfter = this.dice.odds(0.4) ? 1 + this.dice.below(8) : Infinity;
    const path = `/v1/tasks/${id}/stream${byHeader ? '' : `?after=${seen.length}`}`;
    return new Promise((resolve, reject) => {
      const headers = byHeader ? { 'last-event-id': String(seen.length) } : {};
      const request = http.get({ port: this.world.port, host: '127.0.0.1', path, agent: false, headers }, (answer) => {
        let rest = '', got = 0, ended = false, left = false;
        if (answer.statusCode !== 200) {
          answer.resume();
          if (![404, 410, 503].includes(answer.statusCode)) this.world.note(`stream of task ${id}: ${answer.statusCode}`);
          resolve(answer.statusCode === 503 ? 'cut' : 'gone');
          return;
        }
        answer.setEncoding('utf8').on('data', (text) => {
          rest += text;
          for (let at; (at = rest.indexOf('\n\n')) >= 0; rest = rest.slice(at + 2)) {
            const block = rest.slice(0, at), number = /^id: (\d+)$/m.exec(block)?.[1];
            ended ||= /^event: end$/m.test(block);
            if (number === undefined) continue;
            if (Number(number) !== seen.length + 1) this.world.note(`task ${id}: event ${number} came after ${seen.length}`);
            seen.push(block);
            this.count('events');
            if (++got < leaveAfter) continue;
            left = true;
            request.destroy();
            resolve('cut');
            return;
          }
        });
        answer.on('end', () => {
          if (!ended && !left) this.world.note(`task ${id}: the stream was closed cleanly after event ${seen.length} without its end`);
          resolve('end');
        });
        answer.on('error', reject);
      });
      request.on('error', reject);
    });
  }

  /** One task from submission to its end. prompt is made of a serial number by the caller. */
  async task(prompt) {
    const { dice } = this;
    const made = await ask(this.world.port, 'POST', '/v1/tasks', { prompt, approval: dice.odds(0.5) ? 'auto' : 'required' }).catch(() => null);
    if (made?.status !== 202) {
      if (made && made.status !== 503) this.world.fail(`submit: ${made.status} ${JSON.stringify(made.body)}`);
      this.count('submits lost');
      return;
    }
    const { id } = made.body;
    const listeners = Array.from({ length: 1 + dice.below(2) }, () => this.follow(id));
    const acting = this.#act(id);
    const [, ...seen] = await Promise.all([acting, ...listeners]);
    const last = await acting;
    this.count(last ? last.status : 'evicted');
    if (last?.error) this.count(`error: ${last.error.code}`);
    const whole = seen.filter(Boolean);
    for (const events of whole) {
      if (last && events.length !== last.last_seq) this.world.fail(`task ${id} ended with ${last.last_seq} events, a stream with ${events.length}`);
      if (events.join('\n\n') !== whole[0].join('\n\n')) this.world.fail(`task ${id}: two streams differ`);
    }
  }

  /** A person by chance: approves, rejects with and without a word, cancels at any moment. */
  async #act(id) {
    const { dice } = this;
    if (dice.odds(0.15)) {
      await pause(dice.below(400));
      await this.#say(id, 'cancel');
    }
    for (;;) {
      const seen = await this.until(id, 'awaiting_approval', 'input_required');
      if (!seen || isTerminal(seen.status)) return seen;
      const digest = seen.plan?.digest;
      if (seen.status === 'input_required') await this.#say(id, 'cancel');
      else if (dice.odds(0.1)) await this.#say(id, 'reject');
      else if (dice.odds(0.1)) await this.#say(id, 'reject', { feedback: 'once more, please' });
      else await this.#say(id, 'approve', dice.odds(0.5) ? { plan_digest: digest } : {});
    }
  }

  /** 409: somebody (perhaps this very request, before its answer was lost) was faster. 404: evicted. */
  async #say(id, verb, body) {
    const { status, body: said } = await this.insist('POST', `/v1/tasks/${id}/${verb}`, body);
    if (![200, 202, 404, 409].includes(status)) this.world.fail(`${verb} of task ${id}: ${status} ${JSON.stringify(said)}`);
    this.count(verb);
  }
}
