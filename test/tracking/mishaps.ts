import type { ServerResponse } from 'node:http';
import type { Mishap } from './fake-server.js';

/** Answers with a text. */
export const say = (
  answer: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): 'handled' => {
  answer.writeHead(status, { 'Content-Type': type, ...headers }).end(text);
  return 'handled';
};

/** Everything that a server or what stands before it can do to a request. */
export const mishaps: Record<string, Mishap> = {
  '403 text': (_, answer) =>
    say(answer, 403, 'text/plain', 'Invalid Host header - possible DNS rebinding attack detected'),
  '429 with Retry-After': (_, answer) => say(answer, 429, 'text/plain', 'slow down', { 'Retry-After': '0' }),
  '500 as MLflow says it': (_, answer) =>
    say(answer, 500, 'application/json', '{"error_code":"INTERNAL_ERROR","message":"database is locked"}'),
  '500 although it was done': (_, answer) => {
    setImmediate(() => say(answer, 500, 'text/plain', 'oops'));
    return 'work, then handled';
  },
  'a web page': (_, answer) => say(answer, 200, 'text/html', '<html><body>Please log in</body></html>'),
  '502 web page': (_, answer) => say(answer, 502, 'text/html', '<html><h1>Bad Gateway</h1></html>'),
  'half an answer': (_, answer) => {
    answer.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
    answer.write('{"run": {"in');
    setTimeout(() => answer.destroy(), 5);
    return 'work, then handled';
  },
  'a drip of bytes': (_, answer) => {
    answer.writeHead(200, { 'Content-Type': 'application/json' });
    const timer = setInterval(() => answer.write(' '), 20);
    answer.on('close', () => clearInterval(timer));
    return 'work, then handled';
  },
  'no answer at all': () => 'work, then handled',
  'connection reset': (_, answer) => {
    answer.socket?.resetAndDestroy();
    return 'handled';
  },
  'connection reset when it was done': (_, answer) => {
    setImmediate(() => answer.socket?.resetAndDestroy());
    return 'work, then handled';
  },
};
