// SPDX-License-Identifier: Apache-2.0
/*
 * The first and only program of a machine whose kernel has fs-verity: publishes a model into a
 * store on a file system that has it, and looks whether the kernel keeps the file, vouches for the
 * signed measure, and refuses a block that somebody changes on the disk. See run_verity.py.
 *
 * /modules has a line for each kernel module to load, /disks/TYPE is a disk of that file system,
 * /model.espalier the model. Says "verity: TYPE ok" for each, what failed otherwise.
 */
#include "espalier_publish.h"
#include "espalier_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODEL       "/model.espalier"
#define DISK        "/disk"
#define SOURCE      DISK "/source.espalier"
#define STORE       DISK "/store"
#define KEPT        STORE "/4/model.espalier" /* see check_store */
#define BLOCK       4096u
#define READ_LITTLE 16384u /* a signature and what is beside it; the model is larger */

static espalier_error error;

static void end(void)
{
    (void)fflush(stdout);
    sync();
    (void)reboot(RB_AUTOBOOT);
    _exit(1);
}

static void check(bool holds, const char *what)
{
    if (!holds) {
        printf("verity: FAILED: %s; error: %s; errno: %s\n", what, error.message, strerror(errno));
        end();
    }
}

static uint64_t bytes_read(void)
{
    unsigned long long bytes = 0;
    FILE *const file = fopen("/proc/self/io", "re");
    check(file != NULL && fscanf(file, "rchar: %llu", &bytes) == 1, "/proc/self/io");
    (void)fclose(file);
    return bytes;
}

/* ---- the machine ---- */

static void load_modules(void)
{
    char line[512];
    FILE *const list = fopen("/modules", "re");
    check(list != NULL, "/modules");
    while (fgets(line, sizeof line, list) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const int module = open(line, O_RDONLY | O_CLOEXEC);
        check(syscall(SYS_finit_module, module, "", 0) == 0 || errno == EEXIST, line);
        (void)close(module);
    }
    (void)fclose(list);
}

static void mount_disk(const char *type)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/disks/%s", type);
    const int image = open(path, O_RDWR | O_CLOEXEC);
    const int loop = open("/dev/loop0", O_RDWR | O_CLOEXEC);
    check(image >= 0 && loop >= 0 && ioctl(loop, LOOP_SET_FD, image) == 0, "a disk");
    check(mount("/dev/loop0", DISK, type, 0, NULL) == 0, "mounting");
    (void)close(loop);
    (void)close(image);
}

static void unmount_disk(void)
{
    check(umount(DISK) == 0, "unmounting");
    const int loop = open("/dev/loop0", O_RDWR | O_CLOEXEC);
    check(loop >= 0 && ioctl(loop, LOOP_CLR_FD, 0) == 0, "taking the disk out");
    (void)close(loop);
}

/* ---- what is looked at ---- */

static uint8_t *map_file(const char *path, int protection, size_t *bytes_out)
{
    struct stat about;
    const int file = open(path, protection == PROT_READ ? O_RDONLY : O_RDWR);
    check(file >= 0 && fstat(file, &about) == 0, path);
    uint8_t *const data = mmap(NULL, (size_t)about.st_size, protection, MAP_SHARED, file, 0);
    check(data != MAP_FAILED, path);
    (void)close(file);
    *bytes_out = (size_t)about.st_size;
    return data;
}

static void copy_model(void)
{
    size_t bytes = 0;
    uint8_t *const model = map_file(MODEL, PROT_READ, &bytes);
    const int copy = open(SOURCE, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    check(copy >= 0 && write(copy, model, bytes) == (ssize_t)bytes, "copying the model");
    (void)close(copy);
    (void)munmap(model, bytes);
}

static bool measure_is(const uint8_t *wanted)
{
    struct fsverity_digest head = {.digest_size = 64};
    _Alignas(8) uint8_t measure[sizeof head + 64] = {0};
    memcpy(measure, &head, sizeof head);
    const int file = open(KEPT, O_RDONLY | O_CLOEXEC);
    const bool measured = file >= 0 && ioctl(file, FS_IOC_MEASURE_VERITY, measure) == 0;
    (void)close(file);
    memcpy(&head, measure, sizeof head);
    return measured && head.digest_size == 32 && memcmp(measure + sizeof head, wanted, 32) == 0;
}

/* Whether a policy takes the kept model, and that it reads much or little of it. */
static void check_signature(espalier_signature_policy *policy, uint64_t flags, bool reads)
{
    espalier_signed claims;
    policy->flags = flags;
    const uint64_t before = bytes_read();
    check(espalier_signature_verify(KEPT, NULL, policy, &claims, &error) == ESPALIER_OK,
          "the signature");
    const uint64_t count = bytes_read() - before;
    check(reads ? count >= claims.file_bytes : count < READ_LITTLE, "how much is read");
    check(measure_is(claims.verity_digest), "the kernel's measure is the signed one");
}

static void check_slot(espalier_signature_policy *policy)
{
    espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
    espalier_slot *slot = NULL;
    policy->flags = ESPALIER_SIGNATURE_VERITY;
    options.check = espalier_signature_slot_check;
    options.check_context = policy;
    check(espalier_slot_open(STORE, &options, &slot, &error) == ESPALIER_OK, "a slot");
    check(espalier_slot_close(slot) == ESPALIER_OK, "closing the slot");
}

/* Versions that the kernel keeps are copied back and removed like others; the fourth serves. */
static void check_store(espalier_store_options *options)
{
    uint64_t version = 0, removed = 0;
    for (uint64_t i = 1; i <= 4; i++) {
        const espalier_status status =
            i == 3 ? espalier_store_rollback(STORE, 1, options, &version, &error)
                   : espalier_store_publish(STORE, SOURCE, options, &version, &error);
        check(status == ESPALIER_OK && version == i, "publishing and rolling back");
    }
    check(espalier_store_prune(STORE, 1, options, &removed, &error) == ESPALIER_OK && removed == 2,
          "pruning");
}

static void check_kept(espalier_signature_policy *policy)
{
    check(open(KEPT, O_WRONLY) < 0 && errno == EPERM, "nobody may write to the model");
    check_signature(policy, ESPALIER_SIGNATURE_VERITY, false);
    check_signature(policy, 0, true);
    check_slot(policy);
}

/* Turns a bit of the model's block on the disk, wherever that lies. */
static void damage_disk(const char *type, const uint8_t *block)
{
    char path[64];
    size_t bytes = 0;
    (void)snprintf(path, sizeof path, "/disks/%s", type);
    uint8_t *const disk = map_file(path, PROT_READ | PROT_WRITE, &bytes);
    uint32_t found = 0;
    for (size_t at = 0; at + BLOCK <= bytes; at += BLOCK) {
        if (memcmp(disk + at, block, BLOCK) == 0) {
            disk[at + 17] ^= 4;
            found++;
        }
    }
    check(found > 0, "the model's block on the disk");
    (void)munmap(disk, bytes);
}

/* A model that maps it opens, for open looks at no node, and stops who touches the block. */
static void check_mapped(void)
{
    espalier_model *model = NULL;
    check(espalier_model_open(KEPT, NULL, &model, &error) == ESPALIER_OK, "mapping");
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        _exit(espalier_model_verify(model, &error) == ESPALIER_OK ? 0 : 1);
    }
    int status = 0;
    check(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
          "a changed block raises SIGBUS");
    espalier_model_close(model);
}

static void check_damaged(espalier_signature_policy *policy)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    espalier_model *model = NULL;
    options.flags = ESPALIER_OPEN_COPY;
    check(espalier_model_open(KEPT, &options, &model, &error) == ESPALIER_ERROR_READ,
          "a changed block is not copied");
    policy->flags = 0;
    check(espalier_signature_verify(KEPT, NULL, policy, NULL, &error) == ESPALIER_ERROR_READ,
          "a changed block is not read");
    check_mapped();
}

static void try_disk(const char *type)
{
    espalier_public_key public_key;
    espalier_secret_key secret_key;
    espalier_signature_policy policy = ESPALIER_SIGNATURE_POLICY_INIT;
    espalier_store_options options = ESPALIER_STORE_OPTIONS_INIT;
    size_t bytes = 0;
    mount_disk(type);
    copy_model();
    check(espalier_key_generate("/tmp/key.pub", "/tmp/key", NULL, &error) == ESPALIER_OK &&
              espalier_public_key_read("/tmp/key.pub", &public_key, &error) == ESPALIER_OK &&
              espalier_secret_key_read("/tmp/key", NULL, &secret_key, &error) == ESPALIER_OK,
          "keys");
    check(espalier_sign(SOURCE, &secret_key, "fraud", "1", NULL, &error) == ESPALIER_OK, "signing");
    policy.key = &public_key;
    policy.model_name = "fraud";
    options.policy = &policy;
    options.flags = ESPALIER_STORE_VERITY;
    check_store(&options);
    check_kept(&policy);

    unmount_disk();
    const uint8_t *const model = map_file(MODEL, PROT_READ, &bytes);
    check(bytes > 8 * (size_t)BLOCK, "a model of some blocks");
    /* Of every copy on the disk: the source, which nobody keeps, has it too. */
    damage_disk(type, model + bytes / BLOCK / 2 * BLOCK);
    (void)munmap((void *)(uintptr_t)model, bytes);
    mount_disk(type);
    check_damaged(&policy);
    unmount_disk();
    check(unlink("/tmp/key") == 0 && unlink("/tmp/key.pub") == 0, "keys");
    printf("verity: %s ok\n", type);
}

int main(void)
{
    static const char *const types[] = {"ext4", "btrfs"};
    static const char *const folders[] = {"/proc", "/dev", "/tmp", DISK};
    error.message[0] = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        (void)mkdir(folders[i], 0755);
    }
    check(mount("proc", "/proc", "proc", 0, NULL) == 0, "proc");
    check(mount("dev", "/dev", "devtmpfs", 0, NULL) == 0, "dev");
    const int console = open("/dev/console", O_WRONLY);
    (void)dup2(console, STDOUT_FILENO);
    load_modules();
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/disks/%s", types[i]);
        if (access(path, F_OK) == 0) {
            try_disk(types[i]);
        }
    }
    end();
    return 0;
}
