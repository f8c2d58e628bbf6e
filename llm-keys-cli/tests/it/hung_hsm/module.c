/* A PKCS#11 module whose HSM is away: every call hangs, and so does unloading it. From the start if
 * HANG_AT_START is set, else after the initialisation. It makes the file HANGS when it hangs. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long hang(void) {
    const char *mark = getenv("HANGS");
    if (mark) {
        close(open(mark, O_WRONLY | O_CREAT, 0600));
    }
    for (;;) {
        pause();
    }
}

static unsigned long initialize(void *arguments) {
    (void)arguments;
    return getenv("HANG_AT_START") ? hang() : 0;
}

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version and 68 functions, the first of which initialises. */
static struct {
    unsigned char version[2];
    void *functions[68];
} list = {{2, 40}, {0}};

unsigned long C_GetFunctionList(void **out) {
    for (int at = 0; at < 68; at++) {
        list.functions[at] = (void *)hang;
    }
    list.functions[0] = (void *)initialize;
    *out = &list;
    return 0;
}

__attribute__((destructor)) static void unload(void) {
    for (;;) {
        pause();
    }
}
