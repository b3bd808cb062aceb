// Serves Mortal under the name it was given.

import { Task } from "mach-ipc";
import { mortal } from "./mortal.handlers.mjs";
import { Mortal } from "./mortal.interface.mjs";

const task = await Task.self();
await task.bootstrap.serve(Mortal, task.data.service, mortal(task));
