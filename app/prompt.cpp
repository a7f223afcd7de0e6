// SPDX-License-Identifier: BSD-3-Clause
// The interactive prompt, on libedit's own interface.
#include "app/prompt.hpp"

#include <histedit.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "app/words.hpp"
#include "control/completion.hpp"
#include "control/words.hpp"

namespace linnet::app {
namespace {

constexpr int kHistoryLines = 1000;

char kPrompt[] = "linnet> ";

char* prompt_text(EditLine*) {
  return kPrompt;
}

// How far all candidates begin alike.
std::string common_beginning(const std::vector<std::string>& candidates) {
  std::string common = candidates.front();
  for (const std::string& candidate : candidates) {
    std::size_t length = 0;
    while (length < common.size() && length < candidate.size() &&
           common[length] == candidate[length])
      ++length;
    common.resize(length);
  }
  return common;
}

void list_candidates(const std::vector<std::string>& candidates) {
  std::fputc('\n', stdout);
  for (const std::string& candidate : candidates)
    std::printf("%s  ", candidate.c_str());
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

// The daemon as the prompt holds it: it may be restarted while a person thinks.
class Session {
 public:
  explicit Session(std::string path) : path_(std::move(path)) {}

  // A connection that was alive a moment ago.
  Result<Connection*> connection() {
    if (connection_ && !connection_->alive()) connection_.reset();
    if (!connection_) {
      auto opened = Connection::open(path_);
      if (!opened) return opened.error();
      connection_ = std::make_unique<Connection>(std::move(opened).value());
    }
    return connection_.get();
  }
  Result<control::Reply> ask(const std::vector<std::string>& words) {
    auto held = connection();
    if (!held) return held.error();
    auto reply = (*held)->ask(words);
    if (!reply) connection_.reset();
    return reply;
  }

 private:
  std::string path_;
  std::unique_ptr<Connection> connection_;
};

unsigned char complete_line(EditLine* editor, int) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  const LineInfo* line = el_line(editor);
  const std::string typed(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
  auto words = control::split_words(typed);
  if (!words) return CC_ERROR;
  if (typed.empty() || typed.back() == ' ' || typed.back() == '\t') words->emplace_back();
  const auto connection = static_cast<Session*>(data)->connection();
  const auto candidates = completions(connection ? *connection : nullptr, *words);
  if (candidates.empty()) return CC_ERROR;
  std::string more = common_beginning(candidates).substr(words->back().size());
  if (candidates.size() == 1) more += ' ';
  if (more.empty()) {
    list_candidates(candidates);
    return CC_REDISPLAY;
  }
  return el_insertstr(editor, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

struct EditorEnd {
  void operator()(EditLine* editor) const { el_end(editor); }
};
struct HistoryEnd {
  void operator()(History* past) const { history_end(past); }
};

void complain(const Error& error) {
  std::fprintf(stderr, "Error: %s.\n", error.text().c_str());
}

void set_up(EditLine* editor, History* past, Session& session) {
  HistEvent event;
  history(past, &event, H_SETSIZE, kHistoryLines);
  history(past, &event, H_SETUNIQUE, 1);
  el_set(editor, EL_CLIENTDATA, &session);
  el_set(editor, EL_PROMPT, prompt_text);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, history, past);
  el_set(editor, EL_ADDFN, "complete", "Completes a word", complete_line);
  el_set(editor, EL_BIND, "^I", "complete", nullptr);
  el_source(editor, nullptr);
}

}  // namespace

std::vector<std::string> completions(Connection* connection,
                                     const std::vector<std::string>& words) {
  if (connection != nullptr) {
    std::vector<std::string> request{std::string(control::kCompleteWord)};
    request.insert(request.end(), words.begin(), words.end());
    if (const auto reply = connection->ask(request)) {
      std::vector<std::string> lines = split(reply->out, '\n');
      lines.pop_back();  // behind the last newline
      return lines;
    }
  }
  return control::complete(words, {});
}

int run_prompt(const std::string& socket) {
  const std::unique_ptr<EditLine, EditorEnd> editor(el_init("linnet", stdin, stdout, stderr));
  const std::unique_ptr<History, HistoryEnd> past(history_init());
  if (!editor || !past) {
    std::fputs("Error: the terminal cannot be used.\n", stderr);
    return control::kExitUsage;
  }
  Session session(socket);
  if (auto connection = session.connection(); !connection) {
    complain(connection.error());
    return control::kExitUsage;
  }
  set_up(editor.get(), past.get(), session);
  int code = control::kExitOk;
  int length = 0;
  while (const char* line = el_gets(editor.get(), &length)) {
    const auto words =
        control::split_words(std::string_view(line, static_cast<std::size_t>(length)));
    if (!words) {
      complain(words.error());
      continue;
    }
    if (words->empty()) continue;
    HistEvent event;
    history(past.get(), &event, H_ENTER, line);
    if (words->front() == "exit" || words->front() == "quit") return code;
    const auto reply = session.ask(*words);
    code = reply ? reply->code : control::kExitUsage;
    if (reply) {
      write_out(*reply);
    } else {
      complain(reply.error());
    }
  }
  std::fputc('\n', stdout);
  return code;
}

}  // namespace linnet::app
