#include "frontend/Frontend.h"

#include "frontend/Elaborator.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include "mlir/IR/Verifier.h"

#include <climits>
#include <cstdlib>

namespace hb {

using namespace frontend;

namespace {

std::string absolutePath(const std::string &path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) ? std::string(buffer) : path;
}

/// The class that entries are declared for; `model_type` stands in where a config has none.
std::string classOf(const ModelConfig &config) {
  const nlohmann::json &json = config.json();
  auto isText = [&](const char *key) { return json.contains(key) && json[key].is_string(); };
  // Nested configs write null for what they leave to the library.
  auto isThere = [&](const char *key) { return json.contains(key) && !json[key].is_null(); };
  bool hasClass = isThere("_class_name") || isThere("architectures");
  return !hasClass && isText("model_type") ? json["model_type"].get<std::string>() : config.className();
}

/// One import: opens the model, finds its entries, elaborates the selected ones.
class Importer {
public:
  Importer(mlir::MLIRContext &context, const ImportOptions &options, DiagnosticSink &sink) : options_(options), sink_(sink), files_(sink), elaborator(context, options, files_, sink) {
    elaborator.openComponent = [this](const std::string &name) { return openByName(name); };
  }

  /// False when something was reported.
  bool run() {
    checkOptions();
    if (options_.model.ends_with(".hb"))
      openProgram();
    else if (isPipelineFolder(options_.model))
      openPipeline();
    else
      openComponent();
    if (sink_.hasErrors())
      return false;
    nameEntries();
    select();
    for (const Elaborator::EntryPlan &plan : plans_) {
      try {
        elaborator.elaborateEntry(plan);
      } catch (Failure &failure) {
        elaborator.report(failure);
      }
    }
    for (const auto &[name, size] : options_.dims)
      if (!elaborator.knownDims.count(name))
        unknownDim(name);
    if (!elaborationFailed())
      for (Component &component : elaborator.components)
        reportLeftovers(component, sink_);
    if (sink_.hasErrors())
      return false;
    attributes();
    return true;
  }

private:
  struct Candidate {
    const ast::Entry *entry;
    const ast::File *file;
    Component *component;
    std::string folder, name;
  };

  void checkOptions() {
    for (const auto &[name, size] : options_.dims)
      if (size < 1 || size > (int64_t{1} << 31))
        throw Error(706, "--dim " + printable(name) + "=" + std::to_string(size), "a size from 1 to 2^31", std::to_string(size), "");
    if (options_.loraRank < 0 || options_.loraRank > 4096)
      throw Error(706, "--lora-rank", "a rank from 0 to 4096", std::to_string(options_.loraRank), "");
  }

  Component *makeComponent(const std::string &scope, const std::string &folder, const ModelConfig &config, const std::string &weights) {
    Component *component = elaborator.newComponent();
    component->scope = scope;
    component->folder = absolutePath(folder);
    component->weights = weights;
    component->configName = config.path();
    Value record = fromJson(config.json(), component, "");
    component->config = *record.as<RecordPtr>();
    return component;
  }

  // ---- the three kinds of models ----

  /// A `.hb` file: its entries, over --config (or the config.json of --weights), bound to --weights when given.
  void openProgram() {
    kind_ = "file";
    const ast::File *file = files_.open(options_.model);
    ModelConfig config = ModelConfig::parse("{}", options_.configPath.empty() ? "(no --config)" : options_.configPath);
    std::string folder = options_.weightsDir.empty() ? "." : options_.weightsDir;
    if (!options_.configPath.empty())
      config = ModelConfig::read(options_.configPath);
    else if (!options_.weightsDir.empty() && isFile(joinPath(options_.weightsDir, "config.json")))
      config = ModelConfig::read(options_.weightsDir);
    Component *component = makeComponent("", folder, config, options_.weightsDir);
    if (config.json().size() > 0 && (config.json().contains("_class_name") || config.json().contains("architectures")))
      component->className = class_ = classOf(config);
    for (const auto &entry : file->entries)
      if (entry->classes.empty() || std::find(entry->classes.begin(), entry->classes.end(), component->className) != entry->classes.end())
        add(entry.get(), file, component, "");
    if (candidates_.empty() && !sink_.hasErrors())
      throw Error(703, printable(options_.model, 1024), "an entry, for this config's class or without \"for\"", "none", "declare `entry name(…) -> … { … }`");
  }

  /// A folder with a config.json: the entries of its class, in the scope "".
  void openComponent() {
    kind_ = "component";
    ModelConfig config = ModelConfig::read(options_.model);
    class_ = classOf(config);
    std::string weights = options_.weightsDir.empty() ? options_.model : options_.weightsDir;
    Component *component = makeComponent("", options_.model, config, weights);
    component->className = class_;
    addClass(class_, component, "");
    if (candidates_.empty() && !sink_.hasErrors())
      throw Error(206, printable(config.path(), 1024), "one of " + knownClasses(), printable(class_), "this network is not among the built-in models; give a .hb file for it");
  }

  /// A folder with a model_index.json: the entries of every component's class, each in the scope of its folder, and those `for pipeline`.
  void openPipeline() {
    kind_ = "pipeline";
    index_ = readPipelineIndex(options_.model);
    class_ = index_->className;
    Component *root = makeComponent("", options_.model, index_->config, "");
    root->className = "pipeline";
    for (const PipelineComponent &component : index_->components) {
      // Tokenizers, schedulers and image processors have other files; they are no networks.
      if (!isFile(joinPath(component.folder, "config.json")))
        continue;
      Component *opened = openByName(component.name);
      addClass(opened->className, opened, component.name);
    }
    if (candidates_.empty() && !sink_.hasErrors())
      throw Error(206, printable(index_->path, 1024), "at least one component of " + knownClasses(), "none", "none of the networks is among the built-in models");
    latentScale();
    addClass("pipeline", root, "");
  }

  /// Pixels per latent element: the VAE halves once for each of its blocks but the last.
  void latentScale() {
    if (Component *vae = openByName("vae"))
      if (const Value *widths = vae->config->find("block_out_channels"); widths && widths->list() && !widths->list()->empty() && widths->list()->size() < 16)
        elaborator.latentScale = int64_t{1} << (widths->list()->size() - 1);
    for (auto [flag, pixels] : {std::pair{"--width", options_.width}, std::pair{"--height", options_.height}})
      if (pixels && (*pixels < 1 || *pixels % elaborator.latentScale))
        throw Error(706, flag, "a positive multiple of " + std::to_string(elaborator.latentScale), std::to_string(*pixels), "the latent has one element for so many pixels each way");
  }

  /// A component of the pipeline or a reward, opened once; null when there is none.
  Component *openByName(const std::string &name) {
    for (Component &component : elaborator.components)
      if (!name.empty() && component.scope == name)
        return &component;
    std::string folder;
    if (const PipelineComponent *found = index_ ? index_->find(name) : nullptr)
      folder = found->folder;
    for (const auto &[reward, path] : options_.rewards)
      if (folder.empty() && reward == name)
        folder = path;
    if (folder.empty())
      return nullptr;
    // A scheduler is no network: its settings are all there is.
    if (std::string settings = joinPath(folder, "scheduler_config.json"); !isFile(joinPath(folder, "config.json")) && isFile(settings))
      return makeComponent(name, folder, ModelConfig::read(settings), "");
    ModelConfig config = ModelConfig::read(folder);
    Component *component = makeComponent(name, folder, config, folder);
    component->className = classOf(config);
    return component;
  }

  // ---- entries ----

  void addClass(const std::string &className, Component *component, const std::string &folder) {
    for (const ast::File *file : files_.allEmbedded())
      for (const auto &entry : file->entries)
        if (std::find(entry->classes.begin(), entry->classes.end(), className) != entry->classes.end())
          add(entry.get(), file, component, folder);
  }

  void add(const ast::Entry *entry, const ast::File *file, Component *component, const std::string &folder) {
    try {
      if (elaborator.conditionHolds(*entry, elaborator.scopeOf(file), component))
        candidates_.push_back({entry, file, component, folder, entry->name});
    } catch (const Failure &failure) {
      elaborator.report(failure);
    }
  }

  std::string knownClasses() {
    std::set<std::string> names;
    for (const ast::File *file : files_.allEmbedded())
      for (const auto &entry : file->entries)
        for (const std::string &name : entry->classes)
          if (name != "pipeline")
            names.insert(name);
    std::string text;
    for (const std::string &name : names)
      text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "no class at all" : text;
  }

  /// Two components with one entry name: both get their folder in front.
  void nameEntries() {
    std::map<std::string, std::set<std::string>> folders;
    for (const Candidate &candidate : candidates_)
      folders[candidate.entry->name].insert(candidate.folder);
    for (Candidate &candidate : candidates_)
      if (folders[candidate.name].size() > 1 && !candidate.folder.empty())
        candidate.name = candidate.folder + "." + candidate.name;
    std::map<std::string, const Candidate *> seen;
    for (const Candidate &candidate : candidates_)
      if (auto [it, isNew] = seen.emplace(candidate.name, &candidate); !isNew)
        sink_.report({114, candidate.entry->span, "one entry of a name for a class", "\"" + candidate.name + "\" a second time", "rename one, or tell them apart with if",
                      {{it->second->entry->span, "the other is here"}}, {}});
  }

  /// One function per entry and derived entry, however often it was asked for.
  void plan(const Candidate &candidate, bool vjp) {
    std::string name = candidate.name + (vjp ? "_vjp" : "");
    for (const Elaborator::EntryPlan &plan : plans_)
      if (plan.name == name)
        return;
    plans_.push_back({candidate.entry, elaborator.scopeOf(candidate.file), candidate.component, name, vjp});
  }

  /// The entries asked for, or every forward one. NAME_vjp is derived from a NAME that says what it differentiates for.
  void select() {
    if (options_.entries.empty())
      for (const Candidate &candidate : candidates_)
        if (!candidate.name.ends_with("_grad"))
          plan(candidate, false);
    for (const std::string &wanted : options_.entries) {
      auto find = [&](const std::string &name) -> const Candidate * {
        for (const Candidate &candidate : candidates_)
          if (candidate.name == name || (!candidate.folder.empty() && candidate.folder + "." + candidate.entry->name == name))
            return &candidate;
        return nullptr;
      };
      if (const Candidate *candidate = find(wanted)) {
        plan(*candidate, false);
        continue;
      }
      const Candidate *base = wanted.ends_with("_vjp") ? find(wanted.substr(0, wanted.size() - 4)) : nullptr;
      if (base && !base->entry->vjp.empty()) {
        plan(*base, true);
        continue;
      }
      std::vector<std::string> names;
      std::string list;
      for (const Candidate &candidate : candidates_) {
        names.push_back(candidate.name);
        list += (list.empty() ? "" : ", ") + candidate.name;
        if (candidate.entry->vjp.empty())
          continue;
        names.push_back(candidate.name + "_vjp");
        list += ", " + candidate.name + "_vjp";
      }
      throw Error(703, "--entry " + printable(wanted), "one of " + list, "\"" + printable(wanted) + "\"", suggestion(wanted, names, ""));
    }
  }

  void unknownDim(const std::string &name) {
    std::vector<std::string> names(elaborator.knownDims.begin(), elaborator.knownDims.end());
    std::string list;
    for (const std::string &known : names)
      list += (list.empty() ? "" : ", ") + known;
    Diagnostic diagnostic;
    diagnostic.number = 702;
    diagnostic.place = "--dim " + printable(name);
    diagnostic.expected = "a dimension of the selected entries: " + list;
    diagnostic.found = "\"" + printable(name) + "\"";
    diagnostic.action = suggestion(name, names, "leave it out");
    sink_.report(std::move(diagnostic));
  }

  /// Anything but complaints about the checkpoint: then the set of used tensors is incomplete and leftovers mean nothing.
  bool elaborationFailed() const {
    for (const Diagnostic &diagnostic : sink_.diagnostics())
      if (diagnostic.number < 230 || diagnostic.number > 239)
        return true;
    return false;
  }

  void attributes() {
    mlir::Builder &builder = elaborator.builder;
    llvm::SmallVector<mlir::Attribute> scopes;
    for (Component &component : elaborator.components) {
      if (!component.hasWeights() || !component.instantiated)
        continue;
      llvm::SmallVector<mlir::Attribute> files;
      for (const SafetensorsFile &file : component.headers().files())
        files.push_back(builder.getStringAttr(baseName(file.path())));
      scopes.push_back(builder.getDictionaryAttr({builder.getNamedAttr("name", builder.getStringAttr(component.scope)),
                                                  builder.getNamedAttr("path", builder.getStringAttr(absolutePath(component.weights))),
                                                  builder.getNamedAttr("files", builder.getArrayAttr(files))}));
    }
    mlir::ModuleOp module = *elaborator.module;
    module->setAttr("nn.scopes", builder.getArrayAttr(scopes));
    module->setAttr("nn.model", builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr(kind_)),
                                                           builder.getNamedAttr("path", builder.getStringAttr(absolutePath(options_.model))),
                                                           builder.getNamedAttr("class", builder.getStringAttr(class_))}));
  }

  const ImportOptions &options_;
  DiagnosticSink &sink_;
  ProgramFiles files_;
  std::optional<PipelineIndex> index_;
  std::string kind_, class_;
  std::vector<Candidate> candidates_;
  std::vector<Elaborator::EntryPlan> plans_;

public:
  Elaborator elaborator;
};

} // namespace

mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, const ImportOptions &options, DiagnosticSink &sink) {
  context.loadDialect<grad::GradDialect, nn::NnDialect, mlir::func::FuncDialect>();
  Importer importer(context, options, sink);
  if (!importer.run())
    return nullptr;
  std::string messages;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    messages += (messages.empty() ? "" : "; ") + diagnostic.str();
    return mlir::success();
  });
  if (mlir::failed(mlir::verify(*importer.elaborator.module)))
    throw Error(999, printable(options.model, 1024), "a module that verifies", printable(messages, 2000), "please report the model and this message");
  return std::move(importer.elaborator.module);
}

std::vector<GraphRow> moduleTree(mlir::MLIRContext &context, const ImportOptions &options, DiagnosticSink &sink) {
  context.loadDialect<grad::GradDialect, nn::NnDialect, mlir::func::FuncDialect>();
  Importer importer(context, options, sink);
  std::vector<GraphRow> rows;
  if (!importer.run())
    return rows;
  Elaborator &elaborator = importer.elaborator;
  std::map<const Instance *, std::vector<const ParamNode *>> params;
  for (const ParamNode &param : elaborator.params)
    if (param.attached)
      params[param.parent].push_back(&param);
  std::set<std::pair<std::string, std::string>> seen;
  for (const Instance &instance : elaborator.instances) {
    if (!instance.attached && instance.creator)
      continue;
    std::string scope = elaborator.componentOf(&instance)->scope, path = elaborator.pathOf(instance);
    // Every entry makes its own instances of the same network.
    if (!seen.emplace(scope, path).second)
      continue;
    rows.push_back({scope, path, instance.module->name, {}, instance.module->doc});
    for (const ParamNode *param : params[&instance])
      rows.push_back({scope, elaborator.pathOf(*param), "", param->shape, ""});
  }
  return rows;
}

} // namespace hb
