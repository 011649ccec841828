export { createApp, type AppOptions } from './app.ts'
export { readDoorFile, type DoorFile } from './door-file.ts'
export { serve, type Door, type ServeOptions } from './serve.ts'
