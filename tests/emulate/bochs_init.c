// SPDX-License-Identifier: Apache-2.0
/*
 * The first and only program of the emulated machine: runs the jobs of the file /jobs, one after
 * the other, tells the host what they said and how they ended, and switches the machine off. It may
 * use libc only, and is linked statically.
 *
 * A job is a line of fields parted by tabs: seconds it may take, NAME=VALUE settings, a field "--",
 * the program and its arguments. What goes to the host, by the emulator's port 0xE9:
 *     @begin NUMBER
 *     what the job printed
 *     @end NUMBER STATUS        exit code, 128 + signal, or 124: out of time
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_HOST   0xE9u
#define PORT_SWITCH 0x8900u /* the emulator ends when it reads "Shutdown" here */
#define FIELDS_MAX  64
#define LINE_MAX    16384

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell_bytes(const char *bytes, size_t count)
{
    outsb(PORT_HOST, bytes, count);
}

static void tell(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0) {
        tell_bytes(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    }
}

static void switch_off(void)
{
    static const char word[] = "Shutdown";
    outsb(PORT_SWITCH, word, sizeof word - 1);
    for (;;) {
        (void)pause();
    }
}

static void mount_at(const char *type, const char *path)
{
    (void)mkdir(path, 0755);
    if (mount(type, path, type, 0, NULL) != 0) {
        tell("init: no %s\n", path);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* In the child. Settings up to "--", then the program. */
static void become(char **fields, int count, int output)
{
    int i = 1;
    while (i < count && strcmp(fields[i], "--") != 0) {
        (void)putenv(fields[i++]);
    }
    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(output, STDERR_FILENO);
    if (i + 1 < count) {
        (void)execv(fields[i + 1], fields + i + 1);
        perror(fields[i + 1]);
    }
    _exit(127);
}

/* Passes on what the job prints until it ends; its status. */
static int attend(pid_t job, int input, double seconds)
{
    const double end = seconds_now() + seconds;
    char bytes[4096];
    int status = 0;
    for (;;) {
        struct pollfd waited = {input, POLLIN, 0};
        const double left = end - seconds_now();
        if (left <= 0 || poll(&waited, 1, (int)(left * 1000) + 1) <= 0) {
            break;
        }
        const ssize_t got = read(input, bytes, sizeof bytes);
        if (got <= 0) {
            (void)waitpid(job, &status, 0);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        tell_bytes(bytes, (size_t)got);
    }
    (void)kill(-job, SIGKILL);
    (void)waitpid(job, &status, 0);
    return 124;
}

static int run_job(char **fields, int count)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return 126;
    }
    const pid_t job = fork();
    if (job == 0) {
        (void)setpgid(0, 0);
        become(fields, count, ends[1]);
    }
    (void)close(ends[1]);
    const int status = job < 0 ? 126 : attend(job, ends[0], atof(fields[0]));
    (void)close(ends[0]);
    return status;
}

static void run_jobs(void)
{
    FILE *const jobs = fopen("/jobs", "re");
    static char line[LINE_MAX];
    for (int number = 0; jobs != NULL && fgets(line, sizeof line, jobs) != NULL; number++) {
        char *fields[FIELDS_MAX + 1] = {NULL};
        int count = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *field = strtok(line, "\t"); field != NULL && count < FIELDS_MAX;
             field = strtok(NULL, "\t")) {
            fields[count++] = field;
        }
        tell("\n@begin %d\n", number);
        tell("\n@end %d %d\n", number, count > 0 ? run_job(fields, count) : 126);
    }
}

int main(void)
{
    if (iopl(3) != 0) {
        return 1; /* the kernel panics, the emulator ends */
    }
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    mount_at("devtmpfs", "/dev");
    (void)mkdir("/tmp", 0777); /* the root is in memory itself */
    (void)setenv("PATH", "/usr/bin:/bin", 1);
    (void)setenv("HOME", "/tmp", 1);
    (void)chdir("/tmp");
    run_jobs();
    switch_off();
    return 0;
}
