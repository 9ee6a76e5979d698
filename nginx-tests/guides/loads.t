# Each nginx code block of the guides and of docs/caching.md, unchanged: whole files, and parts in their context. nginx
# loads it without a message. The pages on Kubernetes and containers have separate tests.

use Sticky qw(Guides Nginx);

our @pages = sort grep { !m{/(?:kubernetes|containers)\.md\z} } map { s{.*/(?=docs/)}{}r } glob in_project('docs/guides/*.md');
push @pages, 'docs/caching.md';

client_sections();
run_tests();

__DATA__

=== whole files
--- config
--- client
my $count = 0;
for my $page (@pages) {
    for my $file (nginx_files($page)) {
        $count++;
        equals(said_of_file($file), '', "$page: a file");
    }
}
holds($count >= 20, "$count files");



=== parts of files
--- config
--- client
my $count = 0;
for my $page (@pages) {
    for my $part (nginx_parts($page)) {
        # Servers that nginx resolves at run time.
        next if $part =~ /\bresolve;/ && $version < 28;
        $count++;
        my ($first) = $part =~ /^\s*(.*)/;
        equals(said_of_file(around($part)), '', "$page: $first");
    }
}
holds($count >= 5, "$count parts");
