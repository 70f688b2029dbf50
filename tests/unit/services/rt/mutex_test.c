// SOURCES: services/rt/mutex.c
/* Signals are played by a condition variable, with the kernel's rules: bits stay until taken, one
 * waiter takes them all. */
#include <pthread.h>

#include "services/rt/mutex.h"
#include "tests/unit/test.h"

#define THREADS 4u
#define ROUNDS  20000u

static struct {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    uint64_t bits;
    unsigned raise_count, wait_count;
} signal = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 };

enum err sys_signal_create(handle_t budget, handle_t *out)
{
    (void)budget;
    *out = 7;
    return OK;
}

enum err sys_signal_raise(handle_t h, uint64_t bits)
{
    (void)h;
    pthread_mutex_lock(&signal.lock);
    signal.bits |= bits;
    signal.raise_count++;
    pthread_cond_broadcast(&signal.raised);
    pthread_mutex_unlock(&signal.lock);
    return OK;
}

enum err sys_signal_wait(handle_t h, uint64_t deadline_ns, uint64_t *bits)
{
    (void)h;
    (void)deadline_ns;
    pthread_mutex_lock(&signal.lock);
    signal.wait_count++;
    while (!signal.bits)
        pthread_cond_wait(&signal.raised, &signal.lock);
    *bits = signal.bits;
    signal.bits = 0;
    pthread_mutex_unlock(&signal.lock);
    return OK;
}

static struct mutex mutex;
static volatile unsigned count;

TEST(a_free_mutex_is_taken_and_given_back_without_the_kernel)
{
    EXPECT_EQ(mutex_init(&mutex, 1), OK);
    mutex_lock(&mutex);
    EXPECT_EQ(mutex.state, MUTEX_HELD);
    mutex_unlock(&mutex);
    EXPECT_EQ(mutex.state, MUTEX_FREE);
    EXPECT_EQ(signal.raise_count + signal.wait_count, 0);
}

static void *add(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        mutex_lock(&mutex);
        count = count + 1; /* a read and a write: lost when another comes between */
        mutex_unlock(&mutex);
    }
    return unused;
}

TEST(threads_exclude_each_other_and_none_is_left_asleep)
{
    pthread_t threads[THREADS];

    EXPECT_EQ(mutex_init(&mutex, 1), OK);
    mutex_lock(&mutex); /* so that they have to wait */
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add, NULL);
    for (unsigned waiting = 0; waiting < THREADS;) {
        pthread_mutex_lock(&signal.lock);
        waiting = signal.wait_count;
        pthread_mutex_unlock(&signal.lock);
    }
    mutex_unlock(&mutex);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(count, THREADS * ROUNDS);
    EXPECT_EQ(mutex.state, MUTEX_FREE);
}
