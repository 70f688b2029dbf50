#pragma once

/* Where crt0 enters. */
void program_main(void);
