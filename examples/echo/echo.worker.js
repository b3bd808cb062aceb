import { Task } from "mach-ipc";
import { Echo } from "./echo.interface.js";

const task = await Task.self();
await task.bootstrap.serve(Echo, "example.echo", { shout: ({ text }) => ({ loud: text.toUpperCase() }) });
