// What clients and the server of the sessions say to each other: ids of messages, and numbers as bytes.

export const SERVICE = "example.sessions";
/** To the service: a session for this client, please. The answer carries a send right. */
export const CONNECT = 1;
/** To the service: how many sessions there are, and how many were freed. */
export const COUNT = 2;
/** To a session: add a number to the client's sum, which is the answer. */
export const ADD = 3;

export const encode = (...numbers) => new Uint8Array(new Uint32Array(numbers).buffer);
export const decode = (body) => [...new Uint32Array(body.slice().buffer)];
