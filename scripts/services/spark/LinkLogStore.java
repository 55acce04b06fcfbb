import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Iterator;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Commits on a local disk that no other process can overwrite. Delta's own LocalLogStore looks whether the file is
 * there and renames onto it, under a lock of its own process: "assumes that all operations happen in one JVM".
 */
public final class LinkLogStore extends HadoopFileSystemLogStore {
  public LinkLogStore(Configuration configuration) {
    super(configuration);
  }

  @Override
  public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
      throws IOException {
    if (overwrite) {
      writeWithRename(path, actions, overwrite, configuration);
      return;
    }
    java.nio.file.Path target = Paths.get(path.toUri().getPath());
    Files.createDirectories(target.getParent());
    java.nio.file.Path temporary = target.resolveSibling("." + UUID.randomUUID() + ".tmp");
    StringBuilder lines = new StringBuilder();
    actions.forEachRemaining(action -> lines.append(action).append('\n'));
    Files.write(temporary, lines.toString().getBytes(StandardCharsets.UTF_8));
    try {
      Files.createLink(target, temporary);
    } catch (FileAlreadyExistsException lost) {
      throw new java.nio.file.FileAlreadyExistsException(path.toString());
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration configuration) {
    return false;
  }
}
