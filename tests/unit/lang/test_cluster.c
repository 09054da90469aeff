/*
 * test_cluster.c - what a cluster block comes to: defaults, the file's values,
 * --set, and defaults that follow from other keys.
 */
#include "lang/cluster.h"
#include "lang/elab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char program[] =
    "data d { train = data.csv(path = \"x.csv\", x = \"0\"); x: real = raw.x; "
    "}\n"
    "layer one() { param w ~ ones();\n"
    "  fn (x: real[N]) -> y: real[N] { y[n] = w * x[n]; } }\n"
    "optimizer go() per param { w <- w - g; }\n"
    "train { model m = one(); data d; p = m(x); loss = mean(n) p[n]^2;\n"
    "  optimizer = go(); }\n"
    "%s";

typedef struct fixture {
    ptl_arena *arena;
    ptl_diags *diags;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    f->diags = diags_new(0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    diags_free(f->diags);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const typed_program *elaborate(fixture *f, const char *block,
                                      const char *key, const char *value)
{
    lang_sources sources = {ptl_stdlib_files, NULL, 0};
    elab_set set = {key, value};
    elab_options options = {
        .mode = ELAB_TRAIN, .sets = &set, .set_count = key != NULL};
    const char *text = arena_printf(f->arena, program, block);
    lang_modules *all = lang_load_source(
        f->arena, src_file_new(f->arena, "t.ptl", text, strlen(text)), &sources,
        f->diags);
    return elab_train(f->arena, all, &options, f->diags);
}

static const typed_cluster *read_block(fixture *f, const char *block)
{
    const typed_program *p = elaborate(f, block, NULL, NULL);
    ptl_str out = {0};
    diags_print(f->diags, &out, false);
    if (!p)
        print_error("%s\n", str_text(&out));
    str_fini(&out);
    assert_non_null(p);
    return &p->cluster;
}

static void no_block_means_replicated_mean_barrier(void **state)
{
    const typed_cluster *c = read_block(*state, "");
    assert_false(c->given);
    assert_int_equal(c->ps.most, 0);
    assert_int_equal(c->worker.least, 1);
    assert_int_equal(c->worker.most, 1);
    assert_null(c->worker.hosts);
    assert_int_equal(c->towers.count, 1);
    assert_int_equal(c->placement, CLUSTER_REPLICATED);
    assert_int_equal(c->aggregate, CLUSTER_MEAN);
    assert_int_equal(c->sync, CLUSTER_BARRIER);
    assert_int_equal(c->sync_every, 1);
    assert_int_equal(c->slice, 4 << 20);
    assert_int_equal(c->bucket, 25 << 20);
    assert_true(c->locking && c->ordered && !c->strict);
    assert_int_equal(c->state_sync, CLUSTER_STATE_CHIEF);
    assert_int_equal(c->state_epochs, 1);
    assert_int_equal(c->state_steps, 0);
    assert_int_equal(c->heartbeat, 1000);
    assert_int_equal(c->dead, 5000);
    assert_int_equal(c->stall, 60000);
    assert_int_equal(c->worker_loss.first, CLUSTER_WORKER_WAIT);
    assert_int_equal(c->worker_loss.second, CLUSTER_WORKER_ABORT);
    assert_int_equal(c->worker_wait, 30000);
    assert_int_equal(c->ps_loss.first, CLUSTER_PS_REBUILD);
    assert_int_equal(c->ps_loss.second, CLUSTER_PS_ROLLBACK);
    for (int i = 0; i < CLUSTER_KEY_COUNT; i++)
        assert_false(c->said[i]);
}

static void every_word_has_the_number_of_its_name(void **state)
{
    const typed_cluster *c = read_block(
        *state, "cluster { ps = 1; worker = 2;"
                "placement = parameter_server(caching = device);"
                "aggregate = apply_each; sync = stale(3);"
                "balance = round_robin; compress = bf16; security = none;"
                "state_sync = mean(every = 50); on ps_loss = rollback;"
                "on worker_loss = abort; ordered = false; locking = false; }");
    assert_true(c->given);
    assert_int_equal(c->placement, CLUSTER_PARAMETER_SERVER);
    assert_int_equal(c->caching, CLUSTER_CACHE_DEVICE);
    assert_int_equal(c->aggregate, CLUSTER_APPLY_EACH);
    assert_int_equal(c->sync, CLUSTER_STALE);
    assert_int_equal(c->stale, 3);
    assert_int_equal(c->balance, CLUSTER_ROUND_ROBIN);
    assert_int_equal(c->compress, CLUSTER_COMPRESS_BF16);
    assert_int_equal(c->security, CLUSTER_SECURITY_NONE);
    assert_int_equal(c->state_sync, CLUSTER_STATE_MEAN);
    assert_int_equal(c->state_steps, 50);
    assert_int_equal(c->state_epochs, 0);
    assert_int_equal(c->ps_loss.first, CLUSTER_PS_ROLLBACK);
    assert_int_equal(c->worker_loss.first, CLUSTER_WORKER_ABORT);
    assert_int_equal(c->worker_loss.second, CLUSTER_WORKER_ABORT);
    assert_int_equal(c->worker_wait, 0);
    assert_string_equal(c->text[CLUSTER_KEY_state_sync], "mean(every = 50)");
    c = read_block(*state, "cluster { ps = 1; worker = 2..6; aggregate = sum;"
                           "slots = worker; resize_lr = linear;"
                           "security = curve; state_sync = never;"
                           "on worker_loss = wait(2 min) then shrink;"
                           "on ps_loss = abort; }");
    assert_int_equal(c->aggregate, CLUSTER_SUM);
    assert_int_equal(c->slots, CLUSTER_SLOTS_WORKER);
    assert_int_equal(c->resize_lr, CLUSTER_LR_LINEAR);
    assert_int_equal(c->security, CLUSTER_SECURITY_CURVE);
    assert_int_equal(c->state_sync, CLUSTER_STATE_NEVER);
    assert_int_equal(c->worker_loss.second, CLUSTER_WORKER_SHRINK);
    assert_int_equal(c->worker_wait, 120000);
    assert_int_equal(c->ps_loss.first, CLUSTER_PS_ABORT);
    assert_int_equal(c->worker.least, 2);
    assert_int_equal(c->worker.most, 6);
}

static void lists_give_hosts_and_devices(void **state)
{
    const typed_cluster *c = read_block(
        *state, "cluster { ps = [\"a:1\", \"b-c.d:65535\"];"
                "worker = [\"[::1]:80\"]; towers = [3, 0]; slice = 0.5 MiB; }");
    assert_int_equal(c->ps.least, 2);
    assert_int_equal(c->ps.most, 2);
    assert_string_equal(c->ps.hosts[1], "b-c.d:65535");
    assert_string_equal(c->worker.hosts[0], "[::1]:80");
    assert_int_equal(c->towers.count, 2);
    assert_int_equal(c->towers.ids[0], 3);
    assert_int_equal(c->slice, 1 << 19);
}

static void defaults_follow_what_leaves_no_choice(void **state)
{
    const typed_cluster *c =
        read_block(*state, "cluster { ps = 1; worker = 2; sync = async; }");
    assert_int_equal(c->aggregate, CLUSTER_APPLY_EACH);
    assert_false(c->ordered);
    assert_string_equal(c->text[CLUSTER_KEY_aggregate], "apply_each");
    c = read_block(*state, "cluster { worker = 2; placement = allreduce; }");
    assert_int_equal(c->slots, CLUSTER_SLOTS_WORKER);
    assert_int_equal(c->ps_loss.first, CLUSTER_PS_ROLLBACK);
    c = read_block(*state, "cluster { ps = 1; placement = parameter_server; }");
    assert_int_equal(c->caching, CLUSTER_CACHE_CPU);
    assert_int_equal(c->ps_loss.second, CLUSTER_PS_ROLLBACK);
}

static void set_wins_over_the_file_and_is_kept(void **state)
{
    const typed_program *p =
        elaborate(*state, "cluster { hyper n: int = 2; sync_every = n; }",
                  "cluster.state_sync", "mean(every = 3 epochs)");
    assert_non_null(p);
    assert_int_equal(p->cluster.state_sync, CLUSTER_STATE_MEAN);
    assert_int_equal(p->cluster.state_epochs, 3);
    assert_true(p->cluster.said[CLUSTER_KEY_state_sync]);
    assert_non_null(
        strstr(p->settings.config_json,
               "\"cluster.state_sync\":\"mean(every = 3 epochs)\""));
    p = elaborate(*state, "cluster { hyper n: int = 2; sync_every = n; }",
                  "cluster.n", "7");
    assert_int_equal(p->cluster.sync_every, 7);
    p = elaborate(*state, "", "cluster.on", "abort");
    assert_null(p);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(no_block_means_replicated_mean_barrier),
        FACT(every_word_has_the_number_of_its_name),
        FACT(lists_give_hosts_and_devices),
        FACT(defaults_follow_what_leaves_no_choice),
        FACT(set_wins_over_the_file_and_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
