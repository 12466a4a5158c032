// SPDX-License-Identifier: Apache-2.0
/*
 * Models that are swapped while they serve, for C++17: RAII over espalier_slot.h, header only. May
 * include that, espalier.hpp and the C++ library; conventions are those of espalier.hpp.
 *
 *     espalier::slot served("store");
 *     espalier::reader reader(served); // each thread one, once
 *     auto lease = reader.acquire();   // each request: waits for nobody, allocates nothing
 *     auto p = lease.predict<double>(espalier::output::probability, row);
 *
 *     served.refresh(); // one thread, now and then
 */
#ifndef ESPALIER_SLOT_HPP
#define ESPALIER_SLOT_HPP

#include "espalier.hpp"
#include "espalier_slot.h"

#include <mutex>

namespace espalier
{

/* As espalier_slot_options. */
struct slot_options {
    std::uint64_t flags = 0; /* ESPALIER_SLOT_SEALED */
    std::uint32_t reader_count_max = 0;
    std::uint64_t version_min = 0;
    open_options open{ESPALIER_OPEN_PREFAULT, 0};
    predictor_options predictor{};
    espalier_slot_check *check = nullptr;
    void *check_context = nullptr;
};

/*
 * The current model of a path or store, swapped while it serves: see espalier_slot.h. Any thread
 * may call it; calls that change something wait for each other. Its readers keep it open, so they
 * may be destroyed in any order.
 */
class slot
{
public:
    explicit slot(const std::string &path, const slot_options &wanted = {})
        : owned_(std::make_shared<owner>())
    {
        espalier_slot_options options = ESPALIER_SLOT_OPTIONS_INIT;
        espalier_open_options opened = ESPALIER_OPEN_OPTIONS_INIT;
        const espalier_predictor_options predicted = detail::to_native(wanted.predictor);
        opened.flags = wanted.open.flags;
        opened.visits_per_row_max = wanted.open.visits_per_row_max;
        options.flags = wanted.flags;
        options.reader_count_max = wanted.reader_count_max;
        options.version_min = wanted.version_min;
        options.open = &opened;
        options.predictor = &predicted;
        options.check = wanted.check;
        options.check_context = wanted.check_context;
        espalier_error failure = detail::no_error();
        failure.status =
            espalier_slot_open(detail::path_text(path), &options, &owned_->raw, &failure);
        if (failure.status != ESPALIER_OK)
            throw error(failure);
    }
    /* Looks at the path again and publishes what is new there. flags: ESPALIER_REFRESH_... On
     * failure it throws, and the old model goes on serving. */
    espalier_slot_state refresh(std::uint64_t flags = 0)
    {
        espalier_slot_state state{};
        espalier_error failure = detail::no_error();
        const std::lock_guard<std::mutex> lock(alive().mutex);
        failure.status = espalier_slot_refresh(owned_->raw, flags, &state, &failure);
        if (failure.status != ESPALIER_OK)
            throw error(failure);
        return state;
    }
    /* Closes old models that nobody holds any more. */
    espalier_slot_state collect()
    {
        espalier_slot_state state{};
        const std::lock_guard<std::mutex> lock(alive().mutex);
        detail::check(espalier_slot_collect(owned_->raw, &state), "collect");
        return state;
    }

private:
    friend class reader;
    struct owner {
        owner() = default;
        owner(const owner &) = delete;
        owner &operator=(const owner &) = delete;
        ~owner()
        {
            espalier_slot_close(raw); /* its last user: nobody calls it, nobody is registered */
        }
        std::mutex mutex; /* one of refresh, collect, register and unregister at a time */
        espalier_slot *raw = nullptr;
    };
    owner &alive() const
    {
        if (owned_ == nullptr)
            throw error(ESPALIER_ERROR_ARGUMENT, "slot");
        return *owned_;
    }

    std::shared_ptr<owner> owned_;
};

/* The model that a reader holds, and its predictor for it: for one request, not for ever. It must
 * be gone before its reader. */
class lease
{
public:
    lease(lease &&other) noexcept
        : held_(std::exchange(other.held_, nullptr)), raw_(std::exchange(other.raw_, {}))
    {
    }
    lease &operator=(lease &&) = delete;
    lease(const lease &) = delete;
    lease &operator=(const lease &) = delete;
    ~lease()
    {
        espalier_slot_release(held_);
    }

    /* Of a store its number; of a path 1, 2, ... as it changed. */
    std::uint64_t version() const noexcept
    {
        return raw_.version;
    }
    /* Elements per row of an output, and their espalier_dtype; 0: the model has none. */
    std::size_t width(output kind) const noexcept
    {
        return find(kind).width;
    }
    std::uint32_t dtype(output kind) const noexcept
    {
        return find(kind).dtype;
    }
    /* As those of predictor. */
    template <class Rows, class Out>
    result try_predict(output kind, const Rows &from, Out &&out,
                       std::size_t row_stride = 0) noexcept
    {
        return detail::predict(raw_.predictor, dtype(kind), kind, from, std::forward<Out>(out),
                               row_stride);
    }
    template <class T, class Rows> std::vector<T> predict(output kind, const Rows &from)
    {
        return detail::predict_new<T>(raw_.predictor, dtype(kind), width(kind), kind, from);
    }
    /* For calls of espalier.h on the model; valid as long as the lease. */
    const espalier_lease &native() const noexcept
    {
        return raw_;
    }

private:
    friend class reader;
    lease(espalier_reader *held, const espalier_lease &raw) noexcept : held_(held), raw_(raw) {}
    espalier_output_info find(output kind) const noexcept
    {
        espalier_output_info found{};
        espalier_model_output(raw_.model, static_cast<espalier_output_kind>(kind), &found);
        return found;
    }

    espalier_reader *held_;
    espalier_lease raw_{};
};

/* A reader of a slot, with predictors of its own: for one thread at a time, registered once. */
class reader
{
public:
    explicit reader(const slot &from) : owned_(from.owned_)
    {
        const std::lock_guard<std::mutex> lock(from.alive().mutex);
        detail::check(espalier_slot_register(owned_->raw, &raw_), "reader");
    }
    reader(reader &&other) noexcept
        : owned_(std::move(other.owned_)), raw_(std::exchange(other.raw_, nullptr))
    {
    }
    reader &operator=(reader &&) = delete;
    reader(const reader &) = delete;
    reader &operator=(const reader &) = delete;
    ~reader()
    {
        if (raw_ == nullptr)
            return;
        const std::lock_guard<std::mutex> lock(owned_->mutex);
        espalier_slot_unregister(raw_);
    }

    /* The current model. Waits for nobody, allocates nothing. Throws ARGUMENT while a lease of this
     * reader lives. */
    lease acquire()
    {
        espalier_lease found{};
        detail::check(espalier_slot_acquire(raw_, &found), "lease");
        return lease(raw_, found);
    }
    /* When it has answered: fetches a model that was published since into this core's caches, as
     * espalier_slot_warm. Returns how many bytes. */
    std::size_t warm(std::size_t bytes_max = 0)
    {
        std::size_t bytes = 0;
        detail::check(espalier_slot_warm(raw_, bytes_max, &bytes), "warm");
        return bytes;
    }

private:
    std::shared_ptr<slot::owner> owned_;
    espalier_reader *raw_ = nullptr;
};

} // namespace espalier

#endif
