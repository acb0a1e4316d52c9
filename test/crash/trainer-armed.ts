/** How the agent under test tells its trainer which file to watch: a trainer is started with an environment alone. */
export const trainerArmedVariable = 'CRASH_RUN_TRAINER_ARMED';
