# Guides whose configurations are tried in nginx-tests/switches: here they are loaded as they stand, without a [warn].

use Sticky qw(Documents);

add_block_preprocessor(sub {
    my ($block) = @_;
    my ($name, $at) = split ' ', $block->guide;
    my $text = (configurations("docs/guides/$name.md"))[$at] // bail_out("$name.md has no configuration $at");
    $block->set_value(http_config => here($text));
    $block->set_value(config => 'location / { return 200; }');
    $block->set_value(request => 'GET /');
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n");
});

run_tests();

__DATA__

=== consent
--- guide: consent-bots-checks 0



=== bots
--- guide: consent-bots-checks 1



=== health checks, and several reasons
--- guide: consent-bots-checks 2



=== behind a TLS terminator
--- guide: tls-terminator 0
